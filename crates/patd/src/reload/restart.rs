//! Settings that a reload cannot change. They are refused as a whole, so that a file that was reloaded is in force entirely.

use patd_config::Config;

use crate::failure::Failure;

/// Refuses when a setting that is read at start only differs.
pub(super) fn refuse(in_force: &Config, new: &Config) -> Result<(), Failure> {
    let mut keys = Vec::new();
    macro_rules! compare {
        ($section:ident: $($field:ident),* $(,)?) => {
            $(if in_force.$section.$field != new.$section.$field {
                keys.push(concat!(stringify!($section), ".", stringify!($field)));
            })*
        };
    }
    compare!(server: listen, management, public_url, data_dir, trusted_proxies);
    compare!(log: format, level);
    compare!(audit: signing_key, keep);
    compare!(
        limits: attempts_per_account,
        attempts_per_address,
        first_delay,
        max_delay,
        max_body,
        header_timeout,
        request_timeout,
        max_connections,
        hash_queue,
        event_streams,
        event_streams_per_site,
        leak_reports_per_hour,
    );
    compare!(leaks: github_keys);
    if keys.is_empty()
        && (&in_force.server, &in_force.log, &in_force.limits, &in_force.leaks, &in_force.audit)
            != (&new.server, &new.log, &new.limits, &new.leaks, &new.audit)
    {
        keys.push("server, log, limits, leaks or audit");
    }
    if keys.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "expected the values in force, found other ones for {}: they are read at start only. Restart the daemon, or take \
         these changes back and reload the others.",
        keys.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_needs_a_restart_is_refused_by_its_key() {
        let in_force = Config::default();
        let mut new = in_force.clone();
        assert!(refuse(&in_force, &new).is_ok());
        new.plugins.max_generations = 3;
        assert!(refuse(&in_force, &new).is_ok());
        new.server.data_dir = "/elsewhere".into();
        new.limits.max_body += 1;
        let text = refuse(&in_force, &new).expect_err("refused").to_string();
        assert!(text.contains("server.data_dir, limits.max_body:"), "{text}");
    }
}
