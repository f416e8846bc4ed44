//! Secrets on their way in: from the terminal without echo, from standard input or from a file, never from an argument.

use std::fs;
use std::io::{self, BufRead, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// A text that is never shown: no `Debug`, no `Display`, wiped when dropped.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one place that needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// Where one secret comes from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// The next line of standard input.
    Stdin,
    /// The first line of a file.
    File(&'a Path),
    /// The terminal, asked for with these words.
    Terminal(&'a str),
}

impl<'a> Source<'a> {
    /// What the options `--X-stdin` and `--X-file` say; the terminal if neither is given.
    pub(crate) fn of(stdin: bool, file: Option<&'a PathBuf>, prompt: &'a str) -> Self {
        match file {
            _ if stdin => Self::Stdin,
            Some(path) => Self::File(path),
            None => Self::Terminal(prompt),
        }
    }
}

/// Reads the secrets of one command; several on standard input are one per line.
pub(crate) struct Reader {
    stdin: Box<dyn BufRead>,
    has_terminal: bool,
}

/// More than any secret has; a mistaken file is not read to its end.
const LONGEST: u64 = 64 * 1024;

impl Reader {
    pub(crate) fn new() -> Self {
        Self { stdin: Box::new(io::stdin().lock()), has_terminal: io::stdin().is_terminal() }
    }

    /// Whether somebody can be asked.
    pub(crate) fn has_terminal(&self) -> bool {
        self.has_terminal
    }

    /// Reads one secret; `what` names it in errors.
    pub(crate) fn read(&mut self, source: Source<'_>, what: &str) -> Result<Secret, Failure> {
        let line = match source {
            Source::Stdin => first_line(self.stdin.as_mut())
                .map_err(|e| Failure::local(format!("cannot read the {what} from standard input"), e))?,
            Source::File(path) => {
                let cannot = |e| Failure::local(format!("cannot read the {what} from {}", path.display()), e);
                first_line(&mut io::BufReader::new(fs::File::open(path).map_err(cannot)?)).map_err(cannot)?
            }
            Source::Terminal(prompt) if self.has_terminal => {
                let cannot = |e| Failure::local(format!("cannot read the {what} from the terminal"), e);
                Secret::new(rpassword::prompt_password(prompt).map_err(cannot)?)
            }
            Source::Terminal(_) => {
                let hint = format!(
                    "there is no terminal to ask for the {what}; give it on standard input or in a file (see --help)"
                );
                return Err(Failure::Usage(hint));
            }
        };
        if line.expose().is_empty() { Err(Failure::Usage(format!("the {what} is empty"))) } else { Ok(line) }
    }

    /// Reads a new password; on a terminal twice, so that a slip of the finger is noticed.
    pub(crate) fn read_new_password(&mut self, source: Source<'_>) -> Result<Secret, Failure> {
        let password = self.read(source, "new password")?;
        if matches!(source, Source::Terminal(_)) {
            let again = self.read(Source::Terminal("The same again: "), "new password")?;
            if *again.0 != *password.0 {
                return Err(Failure::Usage("the two passwords differ; nothing was changed".to_owned()));
            }
        }
        Ok(password)
    }
}

fn first_line(input: &mut dyn BufRead) -> io::Result<Secret> {
    let mut line = Zeroizing::new(String::new());
    input.take(LONGEST).read_line(&mut line)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(test)]
pub(crate) fn reader_of(text: &'static str) -> Reader {
    Reader { stdin: Box::new(text.as_bytes()), has_terminal: false }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn each_secret_on_standard_input_is_one_line() {
        let mut reader = reader_of("first\r\nsecond \n");
        assert!(reader.read(Source::Stdin, "x").is_ok_and(|secret| secret.expose() == "first"));
        assert!(reader.read(Source::Stdin, "x").is_ok_and(|secret| secret.expose() == "second "));
        assert!(matches!(reader.read(Source::Stdin, "x"), Err(Failure::Usage(_))), "nothing is left");
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let mut file = tempfile::NamedTempFile::new().expect("a scratch file");
        file.write_all(b"from the file\nignored\n").expect("written");
        let secret = reader_of("").read(Source::File(file.path()), "x");
        assert!(secret.is_ok_and(|secret| secret.expose() == "from the file"));
        let missing = reader_of("").read(Source::File(Path::new("/nonexistent")), "password");
        assert!(missing.is_err_and(|failure| failure.exit_code() == 4));
    }

    #[test]
    fn without_a_terminal_nobody_is_asked() {
        let asked = reader_of("").read(Source::Terminal("? "), "password");
        assert!(matches!(asked, Err(Failure::Usage(hint)) if hint.contains("password")));
    }
}
