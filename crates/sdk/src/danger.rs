//! What only the deliberately faulty plug-in needs: sins that an author cannot commit by accident through this SDK. No other
//! plug-in may use it.

use patd_abi::Out;

/// Writes into a receiver's sink, whatever the call will answer.
pub fn write(out: Out, bytes: &[u8]) {
    crate::guard::write(out, bytes);
}

/// Sets an environment variable of the whole process.
pub fn set_env(name: &str, value: &str) {
    #[expect(clippy::disallowed_methods, reason = "the sin")]
    // SAFETY: a data race with readers of the environment is the sin to be shown; tests run it in a process of its own.
    unsafe {
        std::env::set_var(name, value)
    }
}
