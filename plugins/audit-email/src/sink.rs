//! The sink: one batch at a time, one mail after the other. Must never answer for an event while a server of its recipients
//! says "later".

use std::collections::HashSet;
use std::time::Duration;

use patd_proto::audit::{SCHEMA, WANTS_RECIPIENTS};
use patd_sdk::{
    AsyncService, Context, Event, Failure, HostHandle, OneByOne, ServiceDescription, Taken, flags, op,
    time_left,
};
use tokio::sync::Mutex;

use crate::config::{self, Config};
use crate::letter::Letter;
use crate::mail;
use crate::mailer::{Mailer, Said};

/// A mail that a working server puts off for so long is given up: those behind it wait.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// The audit sink.
pub struct AuditEmail {
    post: Mutex<Post>,
}

struct Post {
    mailer: Mailer,
    host: HostHandle,
    /// The event that is under way, and the recipients whose server has taken its mail.
    under_way: (String, HashSet<String>),
}

impl AsyncService for AuditEmail {
    const FLAGS: u64 = flags::ORDERED;
    const MAY_GIVE_UP: bool = true;

    fn create(context: &Context) -> Result<Self, Failure> {
        let mailer = Mailer::new(context.config::<Config>()?.read()?);
        let under_way = (String::new(), HashSet::new());
        Ok(Self { post: Mutex::new(Post { mailer, host: context.host(), under_way }) })
    }

    fn describe(_me: Option<&Self>) -> ServiceDescription {
        ServiceDescription {
            kind: "audit".into(),
            schema: SCHEMA,
            max_in_flight: 1,
            config_schema: config::schema(),
            example_config: config::example(),
            wants: vec![WANTS_RECIPIENTS.into()],
        }
    }

    async fn start(&self, _payload: Vec<u8>) -> Result<(), Failure> {
        self.post.lock().await.mailer.start()
    }

    async fn stop(&self) -> Result<(), Failure> {
        self.post.lock().await.mailer.quit().await;
        Ok(())
    }

    async fn call(&self, op: u32, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        match op {
            op::HEALTH => {
                let mailer = &mut self.post.lock().await.mailer;
                mailer.connect().await?;
                mailer.quit().await;
                Ok(Vec::new())
            }
            op::DELIVER => {
                let mut post = self.post.lock().await;
                let answer = patd_sdk::deliver(&payload, &mut *post).await;
                post.mailer.quit().await;
                answer
            }
            // Nothing is kept: what was accepted is the server's.
            op::FLUSH => Ok(Vec::new()),
            other => Err(Failure::unsupported(other)),
        }
    }
}

impl OneByOne for Post {
    async fn take(&mut self, event: Event<'_>) -> Result<Taken, Failure> {
        if event.recipients.is_empty() {
            return Ok(Taken::Accepted);
        }
        let letter = Letter::about(event)?;
        if self.under_way.0 != event.id {
            self.under_way = (event.id.to_owned(), HashSet::new());
        }
        for recipient in event.recipients {
            if self.under_way.1.contains(&recipient.email) {
                continue;
            }
            let Some(mail) = mail::to(recipient, self.mailer.from(), event, &letter)? else {
                tracing::error!(event = event.id, "a recipient's address is none that mail can be sent to");
                continue;
            };
            let patience = time_left().mul_f32(0.9);
            let said =
                tokio::time::timeout(patience, self.mailer.send(&mail)).await.unwrap_or_else(|_| {
                    Err(Failure::unavailable(format!("the mail server did not answer within {patience:.1?}")))
                })?;
            match said {
                Said::Taken => drop(self.under_way.1.insert(recipient.email.clone())),
                Said::Refused(words) => {
                    tracing::error!(event = event.id, words, "the mail server refuses a mail for good");
                }
                Said::Later(words) if self.is_old(event) => {
                    tracing::error!(
                        event = event.id,
                        words,
                        "the mail server has put a mail off for a day; it is given up"
                    );
                }
                Said::Later(words) => {
                    return Err(Failure::unavailable(format!("the mail server says: {words}")));
                }
            }
        }
        Ok(if self.under_way.1.is_empty() { Taken::Rejected } else { Taken::Accepted })
    }
}

impl Post {
    fn is_old(&self, event: Event<'_>) -> bool {
        let time = event.attribute("time").and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let age = time.map(|time| self.host.now_unix_ms().saturating_sub(time.as_millisecond()));
        age.and_then(|age| u64::try_from(age).ok()).is_some_and(|age| Duration::from_millis(age) > PATIENCE)
    }
}
