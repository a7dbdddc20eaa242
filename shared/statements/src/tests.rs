//! What is read of statements, what of strangers' files is refused, and that nothing is read wrongly or makes it panic.

mod adding_up;
mod hostile;
mod properties;
mod reading;
mod samples;
