//! Whom mail about an event goes to. Events carry no addresses, so the pump asks here for the sinks that need them, at each
//! delivery: an address that was changed meanwhile is the new one.
//!
//! A notice goes to the person concerned, one that concerns nobody in particular to the site's admins. Of the other events the
//! admins are told when they are grave, and never of failed sign-ins: strangers would decide how much mail there is. What a
//! person has muted is not sent to that person.
//! Must never answer with anybody's address when a directory cannot be read: the delivery waits instead (R9).

use std::collections::HashMap;

use patd_core::event::{Event, EventType, Severity};
use patd_core::id::{SiteLuid, UserLuid};
use patd_core::notice::Notice;
use patd_core::record::{MemberState, User};

use crate::cloud_event::event_json;
use crate::error::Result;
use crate::facts::{ask, nonsense};
use crate::ports::{AuditSink, Delivered, Found, Query, Recipient, Recipients, SinkError};
use crate::service::Service;

/// Members read at one time.
const PAGE: u32 = 1000;

/// Who is told of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whom {
    Nobody,
    Person(UserLuid),
    Admins(SiteLuid),
}

impl Whom {
    fn of(event: &Event) -> Self {
        let notice = event.kind.is_notice();
        let told =
            notice || event.kind.severity() >= Severity::Medium && event.kind != EventType::SigninFailed;
        match (event.user, event.site) {
            (Some(person), _) if notice => Self::Person(person),
            (_, Some(site)) if told => Self::Admins(site),
            _ => Self::Nobody,
        }
    }
}

impl Service {
    /// Brings events to a sink, with whom they concern if it wants to know.
    pub(crate) async fn bring<'a>(
        &self,
        sink: &dyn AuditSink,
        events: impl Iterator<Item = &'a Event> + Clone + Send,
    ) -> std::result::Result<Delivered, SinkError> {
        let rendered = events.clone().map(event_json).collect();
        if !sink.wants_recipients() {
            return sink.deliver(rendered).await;
        }
        let recipients = self.recipients(events).await;
        let recipients = recipients.map_err(|error| SinkError::Unavailable(error.to_string()))?;
        sink.deliver_to(rendered, recipients).await
    }

    /// The people who are told of each event that concerns somebody with an address, by the event's id.
    ///
    /// # Errors
    /// `Unavailable` when the directory does not answer.
    async fn recipients<'a>(&self, events: impl Iterator<Item = &'a Event> + Send) -> Result<Recipients> {
        let (mut all, mut admins) = (Recipients::new(), HashMap::<SiteLuid, Vec<User>>::new());
        for event in events {
            let people = match Whom::of(event) {
                Whom::Nobody => continue,
                Whom::Person(luid) => self.person(luid).await?,
                Whom::Admins(site) => match admins.get(&site) {
                    Some(known) => known.clone(),
                    None => admins.entry(site).or_insert(self.admins(site).await?).clone(),
                },
            };
            let notice = Notice::of(event.kind);
            let wanted = people.iter().filter(|user| notice.is_none_or(|notice| !user.muted.has(notice)));
            let told: Vec<_> = wanted.filter_map(reachable).collect();
            if !told.is_empty() {
                all.insert(event.id.to_string(), told);
            }
        }
        Ok(all)
    }

    async fn person(&self, luid: UserLuid) -> Result<Vec<User>> {
        let directory = &*self.world.directory;
        match ask(directory, Query::User(luid)).await? {
            Found::Users(rows) => Ok(rows),
            _ => Err(nonsense(directory)),
        }
    }

    /// The admins who can act: joined, and neither disabled here nor as persons.
    async fn admins(&self, site: SiteLuid) -> Result<Vec<User>> {
        let directory = &*self.world.directory;
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let query = Query::MembersOf { site, after: after.take(), offset: 0, limit: PAGE };
            let Found::Members(rows) = ask(directory, query).await? else { return Err(nonsense(directory)) };
            let full = rows.len() >= PAGE as usize;
            after = rows.last().filter(|_| full).map(|(_, last)| last.username.folded());
            let acting = rows.into_iter().filter(|(member, user)| {
                member.role.is_admin() && member.state == MemberState::Active && !user.disabled
            });
            found.extend(acting.map(|(_, user)| user));
            if after.is_none() {
                return Ok(found);
            }
        }
    }
}

fn reachable(user: &User) -> Option<Recipient> {
    let name = if user.full_name.is_empty() { user.username.as_str() } else { &user.full_name };
    (!user.email.is_empty()).then(|| Recipient { email: user.email.clone(), name: name.to_owned() })
}
