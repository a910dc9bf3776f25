//! The program as a person meets it at a shell.

mod command_line;
