//! Rows and events, both ways: `…_out` to the contract, `…_in` from it.

use patd_core::event::{Actor, Detail, EndReason, Event, EventType, Origin, TokenEnd};
use patd_core::id::{
    Epoch, EventId, HomeNumber, InvitationId, SessionId, SiteLuid, TokenId, UserLuid, Version,
};
use patd_core::name::{ContentUrl, SiteRole, TokenName, Username};
use patd_core::network::Network;
use patd_core::notice::{Muted, Notice};
use patd_core::record::{
    Ended, Invitation, InvitationKind, MemberState, Membership, Password, Policy, Session, SessionEpochs,
    SessionKind, SessionToken, Site, SiteCredential, SiteState, Token, TokenEpochs, Told, Totp, User,
};
use patd_core::rules::notice::due_at;
use patd_core::secret::{FastDigest, PhcDigest};
use patd_core::time::{Span, Timestamp};
use patd_proto::rows as wire;
use patd_proto::wire::{Bytes, Micros, Nat, Phc};

use super::Malformed;

type In<T> = Result<T, Malformed>;

fn fast_in(bytes: &Bytes, record: &'static str) -> In<FastDigest> {
    bytes.0.as_slice().try_into().map(FastDigest).map_err(|_| Malformed::new(record, "digest"))
}

fn fast_out(digest: FastDigest) -> Bytes {
    Bytes(digest.0.to_vec())
}

fn span_in(span: Micros, record: &'static str, member: &'static str) -> In<Span> {
    if span.0 < 0 { Err(Malformed::new(record, member)) } else { Ok(Span(span.0)) }
}

/// The two-way table of words that both sides spell as enums of the same variants.
macro_rules! same {
    ($($name:ident: $out:ident, $inward:ident { $($variant:ident),+ })+) => {$(
        fn $out(value: $name) -> wire::$name {
            match value { $($name::$variant => wire::$name::$variant,)+ }
        }

        fn $inward(value: wire::$name) -> $name {
            match value { $(wire::$name::$variant => $name::$variant,)+ }
        }
    )+};
}

same! {
    SiteState: site_state_out, site_state_in { Active, Suspended, Deleted }
    MemberState: member_state_out, member_state_in { Pending, Active, Disabled, Removed }
    InvitationKind: invitation_kind_out, invitation_kind_in { Join, Recover }
    SessionKind: session_kind_out, session_kind_in { Token, Password, Interactive }
}

pub(super) fn site_out(site: Site) -> wire::Site {
    let policy = site.policy;
    wire::Site {
        luid: site.luid.0,
        key: site.key,
        content_url: site.content_url.as_str().to_owned(),
        name: site.name,
        home: site.home.0,
        state: site_state_out(site.state),
        policy: wire::Policy {
            pat_enabled: policy.pat_enabled,
            mint_allowed: policy.mint_allowed,
            max_lifetime: Micros(policy.max_lifetime.0),
            idle_limit: Micros(policy.idle_limit.0),
            session_lifetime: Micros(policy.session_lifetime.0),
            tokens_per_user: policy.tokens_per_user,
            foreign_tokens: policy.foreign_tokens,
            switch_site: policy.switch_site,
        },
        not_before: Micros(site.not_before.0),
        credential: site.credential.map(|credential| wire::SiteCredential {
            client_id: credential.client_id,
            digest: fast_out(credential.digest),
        }),
        created_at: Micros(site.created_at.0),
        version: Nat(site.version.0),
    }
}

pub(super) fn site_in(site: wire::Site) -> In<Site> {
    let policy = site.policy;
    let span = |span, member| span_in(span, "site", member);
    let credential = site.credential.map(|credential| {
        Ok(SiteCredential { digest: fast_in(&credential.digest, "site")?, client_id: credential.client_id })
    });
    Ok(Site {
        luid: SiteLuid(site.luid),
        key: site.key,
        content_url: ContentUrl::parse(&site.content_url)
            .map_err(|_| Malformed::new("site", "content_url"))?,
        name: site.name,
        home: HomeNumber(site.home),
        state: site_state_in(site.state),
        policy: Policy {
            pat_enabled: policy.pat_enabled,
            mint_allowed: policy.mint_allowed,
            max_lifetime: span(policy.max_lifetime, "max_lifetime")?,
            idle_limit: span(policy.idle_limit, "idle_limit")?,
            session_lifetime: span(policy.session_lifetime, "session_lifetime")?,
            tokens_per_user: policy.tokens_per_user,
            foreign_tokens: policy.foreign_tokens,
            switch_site: policy.switch_site,
        },
        not_before: Timestamp(site.not_before.0),
        credential: credential.transpose()?,
        created_at: Timestamp(site.created_at.0),
        version: Version(site.version.0),
    })
}

pub(super) fn user_out(user: User) -> wire::User {
    wire::User {
        luid: user.luid.0,
        username: user.username.as_str().to_owned(),
        full_name: user.full_name,
        email: user.email,
        disabled: user.disabled,
        access_epoch: Nat(user.access_epoch.0),
        credential_epoch: Nat(user.credential_epoch.0),
        muted: user.muted.iter().map(|notice| notice.as_str().to_owned()).collect(),
        created_at: Micros(user.created_at.0),
        version: Nat(user.version.0),
    }
}

fn muted_in(names: &[String]) -> In<Muted> {
    names.iter().try_fold(Muted::default(), |muted, name| {
        let notice = Notice::parse(name).ok_or_else(|| Malformed::new("user", "muted"))?;
        Ok(muted.with(notice, true))
    })
}

pub(super) fn user_in(user: wire::User) -> In<User> {
    Ok(User {
        luid: UserLuid(user.luid),
        username: Username::parse(&user.username).map_err(|_| Malformed::new("user", "username"))?,
        full_name: user.full_name,
        email: user.email,
        disabled: user.disabled,
        access_epoch: Epoch(user.access_epoch.0),
        credential_epoch: Epoch(user.credential_epoch.0),
        muted: muted_in(&user.muted)?,
        created_at: Timestamp(user.created_at.0),
        version: Version(user.version.0),
    })
}

pub(super) fn membership_out(member: Membership) -> wire::Membership {
    wire::Membership {
        site: member.site.0,
        user: member.user.0,
        role: member.role.as_str().to_owned(),
        state: member_state_out(member.state),
        access_epoch: Nat(member.access_epoch.0),
        token_epoch: Nat(member.token_epoch.0),
        created_at: Micros(member.created_at.0),
        version: Nat(member.version.0),
    }
}

pub(super) fn membership_in(member: wire::Membership) -> In<Membership> {
    Ok(Membership {
        site: SiteLuid(member.site),
        user: UserLuid(member.user),
        role: SiteRole::parse(&member.role).ok_or_else(|| Malformed::new("membership", "role"))?,
        state: member_state_in(member.state),
        access_epoch: Epoch(member.access_epoch.0),
        token_epoch: Epoch(member.token_epoch.0),
        created_at: Timestamp(member.created_at.0),
        version: Version(member.version.0),
    })
}

pub(super) fn password_out(password: Password) -> wire::Password {
    wire::Password {
        user: password.user.0,
        digest: Phc(password.digest.0),
        changed_at: Micros(password.changed_at.0),
        version: Nat(password.version.0),
    }
}

pub(super) fn password_in(password: wire::Password) -> Password {
    Password {
        user: UserLuid(password.user),
        digest: PhcDigest(password.digest.0),
        changed_at: Timestamp(password.changed_at.0),
        version: Version(password.version.0),
    }
}

pub(super) fn totp_out(totp: Totp) -> wire::Totp {
    wire::Totp {
        user: totp.user.0,
        sealed_secret: Bytes(totp.sealed_secret),
        confirmed: totp.confirmed,
        last_step: Nat(totp.last_step),
        recovery: totp.recovery.into_iter().map(fast_out).collect(),
        version: Nat(totp.version.0),
    }
}

pub(super) fn totp_in(totp: wire::Totp) -> In<Totp> {
    Ok(Totp {
        user: UserLuid(totp.user),
        sealed_secret: totp.sealed_secret.0,
        confirmed: totp.confirmed,
        last_step: totp.last_step.0,
        recovery: totp.recovery.iter().map(|digest| fast_in(digest, "totp")).collect::<In<_>>()?,
        version: Version(totp.version.0),
    })
}

pub(super) fn invitation_out(invitation: Invitation) -> wire::Invitation {
    wire::Invitation {
        id: invitation.id.0,
        kind: invitation_kind_out(invitation.kind),
        site: invitation.site.map(|site| site.0),
        user: invitation.user.0,
        digest: fast_out(invitation.digest),
        created_at: Micros(invitation.created_at.0),
        expires_at: Micros(invitation.expires_at.0),
        spent_at: invitation.spent_at.map(|at| Micros(at.0)),
        version: Nat(invitation.version.0),
    }
}

pub(super) fn invitation_in(invitation: wire::Invitation) -> In<Invitation> {
    Ok(Invitation {
        id: InvitationId(invitation.id),
        kind: invitation_kind_in(invitation.kind),
        site: invitation.site.map(SiteLuid),
        user: UserLuid(invitation.user),
        digest: fast_in(&invitation.digest, "invitation")?,
        created_at: Timestamp(invitation.created_at.0),
        expires_at: Timestamp(invitation.expires_at.0),
        spent_at: invitation.spent_at.map(|at| Timestamp(at.0)),
        version: Version(invitation.version.0),
    })
}

fn ended_out(ended: Ended) -> wire::Ended {
    wire::Ended {
        at: Micros(ended.at.0),
        reason: ended.reason.as_str().to_owned(),
        successor: ended.successor.map(|session| session.0),
    }
}

fn ended_in(ended: &wire::Ended) -> In<Ended> {
    Ok(Ended {
        at: Timestamp(ended.at.0),
        reason: EndReason::parse(&ended.reason).ok_or_else(|| Malformed::new("row", "end reason"))?,
        successor: ended.successor.map(SessionId),
    })
}

pub(super) fn token_out(token: Token) -> wire::Token {
    let due_at = due_at(&token);
    wire::Token {
        id: token.id.0,
        site: token.site.0,
        owner: token.owner.0,
        name: token.name.as_str().to_owned(),
        digest: Phc(token.digest.0),
        created_at: Micros(token.created_at.0),
        expires_at: Micros(token.expires_at.0),
        last_used_at: token.last_used_at.map(|at| Micros(at.0)),
        idle_limit: Micros(token.idle_limit.0),
        due_at: Micros(due_at.0),
        told: wire::Told { absolute_days: token.told.absolute_days, idle_days: token.told.idle_days },
        networks: token.networks.iter().map(ToString::to_string).collect(),
        session: token.session.map(|session| session.0),
        ended: token.ended.map(ended_out),
        epochs: wire::TokenEpochs {
            person: Nat(token.epochs.person.0),
            member: Nat(token.epochs.member.0),
            token: Nat(token.epochs.token.0),
        },
        version: Nat(token.version.0),
    }
}

fn networks_in(texts: &[String]) -> In<Vec<Network>> {
    let networks: Option<_> = texts.iter().map(|text| Network::parse(text)).collect();
    networks.ok_or_else(|| Malformed::new("token", "networks"))
}

pub(super) fn token_in(token: wire::Token) -> In<Token> {
    Ok(Token {
        id: TokenId(token.id),
        site: SiteLuid(token.site),
        owner: UserLuid(token.owner),
        name: TokenName::parse(&token.name).map_err(|_| Malformed::new("token", "name"))?,
        digest: PhcDigest(token.digest.0),
        created_at: Timestamp(token.created_at.0),
        expires_at: Timestamp(token.expires_at.0),
        last_used_at: token.last_used_at.map(|at| Timestamp(at.0)),
        idle_limit: span_in(token.idle_limit, "token", "idle_limit")?,
        told: Told { absolute_days: token.told.absolute_days, idle_days: token.told.idle_days },
        networks: networks_in(&token.networks)?,
        session: token.session.map(SessionId),
        ended: token.ended.as_ref().map(ended_in).transpose()?,
        epochs: TokenEpochs {
            person: Epoch(token.epochs.person.0),
            member: Epoch(token.epochs.member.0),
            token: Epoch(token.epochs.token.0),
        },
        version: Version(token.version.0),
    })
}

pub(super) fn session_out(session: Session) -> wire::Session {
    wire::Session {
        id: session.id.0,
        kind: session_kind_out(session.kind),
        token: session.token.map(|token| wire::SessionToken {
            id: token.id.0,
            home: token.home.0,
            minted_at: Micros(token.minted_at.0),
            expires_at: Micros(token.expires_at.0),
            idle_expires_at: Micros(token.idle_expires_at.0),
        }),
        user: session.user.0,
        site: session.site.0,
        digest: fast_out(session.digest),
        created_at: Micros(session.created_at.0),
        expires_at: Micros(session.expires_at.0),
        ended: session.ended.map(ended_out),
        epochs: wire::SessionEpochs {
            person: Nat(session.epochs.person.0),
            credential: Nat(session.epochs.credential.0),
            member: Nat(session.epochs.member.0),
            home_member: Nat(session.epochs.home_member.0),
            token: Nat(session.epochs.token.0),
        },
        version: Nat(session.version.0),
    }
}

pub(super) fn session_in(session: wire::Session) -> In<Session> {
    let kind = session_kind_in(session.kind);
    // A session that lost its token would outlive it.
    if (kind == SessionKind::Token) != session.token.is_some() {
        return Err(Malformed::new("session", "token"));
    }
    Ok(Session {
        id: SessionId(session.id),
        kind,
        token: session.token.map(|token| SessionToken {
            id: TokenId(token.id),
            home: SiteLuid(token.home),
            minted_at: Timestamp(token.minted_at.0),
            expires_at: Timestamp(token.expires_at.0),
            idle_expires_at: Timestamp(token.idle_expires_at.0),
        }),
        user: UserLuid(session.user),
        site: SiteLuid(session.site),
        digest: fast_in(&session.digest, "session")?,
        created_at: Timestamp(session.created_at.0),
        expires_at: Timestamp(session.expires_at.0),
        ended: session.ended.as_ref().map(ended_in).transpose()?,
        epochs: SessionEpochs {
            person: Epoch(session.epochs.person.0),
            credential: Epoch(session.epochs.credential.0),
            member: Epoch(session.epochs.member.0),
            home_member: Epoch(session.epochs.home_member.0),
            token: Epoch(session.epochs.token.0),
        },
        version: Version(session.version.0),
    })
}

pub(super) fn event_out(event: Event) -> wire::Event {
    wire::Event {
        id: event.id.0,
        time: Micros(event.time.0),
        site: event.site.map(|site| site.0),
        kind: event.kind.as_str().to_owned(),
        actor: match event.actor {
            Actor::User { luid, username } => wire::Actor::User { luid: luid.0, username },
            Actor::Operator => wire::Actor::Operator,
            Actor::System => wire::Actor::System,
            Actor::Anonymous => wire::Actor::Anonymous,
        },
        user: event.user.map(|user| user.0),
        token: event.token.map(|token| token.0),
        session: event.session.map(|session| session.0),
        address: event.origin.address,
        user_agent: event.origin.user_agent,
        reason: event.reason,
        count: event.count,
        detail: event.detail.map(|detail| Box::new(detail_out(*detail))),
        seq: Nat(event.seq),
    }
}

fn detail_out(detail: Detail) -> wire::EventDetail {
    wire::EventDetail {
        ends: detail.ends.map(|end| end.as_str().to_owned()),
        days: detail.days,
        ends_at: detail.ends_at.map(|at| Micros(at.0)),
        token_name: detail.token_name,
        network: detail.network,
        found_at: detail.found_at,
        tokens: detail.tokens,
        expiring: detail.expiring,
        unused: detail.unused,
        not_before: detail.not_before.map(|at| Micros(at.0)),
        not_before_was: detail.not_before_was.map(|at| Micros(at.0)),
        seal: detail.seal,
    }
}

fn detail_in(detail: wire::EventDetail) -> In<Detail> {
    let end = |word: String| TokenEnd::parse(&word).ok_or_else(|| Malformed::new("event", "ends"));
    Ok(Detail {
        ends: detail.ends.map(end).transpose()?,
        days: detail.days,
        ends_at: detail.ends_at.map(|at| Timestamp(at.0)),
        token_name: detail.token_name,
        network: detail.network,
        found_at: detail.found_at,
        tokens: detail.tokens,
        expiring: detail.expiring,
        unused: detail.unused,
        not_before: detail.not_before.map(|at| Timestamp(at.0)),
        not_before_was: detail.not_before_was.map(|at| Timestamp(at.0)),
        seal: detail.seal,
    })
}

pub(in crate::adapt) fn event_in(event: wire::Event) -> In<Event> {
    Ok(Event {
        id: EventId(event.id),
        time: Timestamp(event.time.0),
        site: event.site.map(SiteLuid),
        kind: EventType::parse(&event.kind).ok_or_else(|| Malformed::new("event", "type"))?,
        actor: match event.actor {
            wire::Actor::User { luid, username } => Actor::User { luid: UserLuid(luid), username },
            wire::Actor::Operator => Actor::Operator,
            wire::Actor::System => Actor::System,
            wire::Actor::Anonymous => Actor::Anonymous,
        },
        user: event.user.map(UserLuid),
        token: event.token.map(TokenId),
        session: event.session.map(SessionId),
        origin: Origin { address: event.address, user_agent: event.user_agent },
        reason: event.reason,
        count: event.count,
        detail: event.detail.map(|detail| detail_in(*detail).map(Box::new)).transpose()?,
        seq: event.seq.0,
    })
}
