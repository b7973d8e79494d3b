"""Node: npm, yarn, pnpm and bun projects, and the tools that judge them."""
