"""PHP and Composer."""
