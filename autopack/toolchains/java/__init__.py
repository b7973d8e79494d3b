"""Java: Maven and Gradle builds."""
