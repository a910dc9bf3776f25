//! The program as a person meets it at a shell.

mod command_line;
mod start_and_end;
