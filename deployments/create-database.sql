-- Autopack's own database beside Prefect's: the two are upgraded apart from each other.
CREATE DATABASE autopack;
