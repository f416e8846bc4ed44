//! The naive model: what tokens and sessions are worth, kept as plain flags and times.
//!
//! Knows nothing of the crate under test: no epochs, no rows, no rules. What kills something marks it dead at once,
//! one by one.

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const DAY: i64 = 24 * 60 * MINUTE;

pub(crate) const START: i64 = 1_800_000_000 * SECOND;
pub(crate) const CAP: usize = 2;

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) pat: bool,
    pub(crate) mint: bool,
    pub(crate) foreign: bool,
    pub(crate) switch: bool,
    pub(crate) idle: i64,
    pub(crate) session: i64,
    pub(crate) max: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    Active,
    Disabled,
    Removed,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) standing: Standing,
    pub(crate) licensed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) site: usize,
    pub(crate) person: usize,
    pub(crate) name: usize,
    minted: i64,
    expires: i64,
    used: i64,
    idle: i64,
    dead: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) token: Option<usize>,
    pub(crate) person: usize,
    pub(crate) site: usize,
    ends: i64,
    pub(crate) dead: Option<&'static str>,
}

impl Session {
    /// What has run out already is not revoked.
    fn revoke(&mut self, now: i64) {
        if self.dead.is_none() && now < self.ends {
            self.dead = Some("session-revoked");
        }
    }
}

/// What can happen. Indexes of tokens and sessions are taken modulo how many there are.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Mint { person: usize, site: usize, name: usize, days: Option<u32> },
    SignIn { token: usize, site: usize },
    Password { person: usize, site: usize, interactive: bool },
    SetPassword { session: usize },
    SignOut { session: usize },
    Switch { session: usize, site: usize },
    Revoke { token: usize, by_admin: bool },
    RevokeAll { person: usize, site: usize },
    RevokeBefore { site: usize, ago: i64 },
    Disable { person: usize, site: usize },
    Enable { person: usize, site: usize },
    Remove { person: usize, site: usize },
    Rejoin { person: usize, site: usize },
    Role { person: usize, site: usize, licensed: bool },
    DisablePerson { person: usize },
    EnablePerson { person: usize },
    Policy { site: usize, change: PolicyChange },
    Sweep { site: usize },
    Wait { span: i64 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum PolicyChange {
    Pat(bool),
    Mint(bool),
    Foreign(bool),
    Switch(bool),
    Idle(i64),
    Session(i64),
    Max(i64),
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) now: i64,
    pub(crate) policy: [Policy; 2],
    /// By site, then person.
    pub(crate) members: [[Member; 2]; 2],
    pub(crate) disabled: [bool; 2],
    pub(crate) tokens: Vec<Token>,
    pub(crate) sessions: Vec<Session>,
}

impl Model {
    pub(crate) fn new() -> Self {
        let policy = Policy {
            pat: true,
            mint: true,
            foreign: true,
            switch: true,
            idle: 15 * DAY,
            session: 120 * MINUTE,
            max: 365 * DAY,
        };
        let member = Member { standing: Standing::Active, licensed: true };
        let members = [member.clone(), member];
        Self {
            now: START,
            policy: [policy.clone(), policy],
            members: [members.clone(), members],
            disabled: [false; 2],
            tokens: Vec::new(),
            sessions: Vec::new(),
        }
    }

    fn welcome(&self, person: usize, site: usize) -> bool {
        let member = &self.members[site][person];
        !self.disabled[person] && member.standing == Standing::Active && member.licensed
    }

    /// The two clocks of a token: `None` while both run.
    fn time_up(&self, token: &Token) -> Option<&'static str> {
        let idle_end = token.used + token.idle.min(self.policy[token.site].idle).min(15 * DAY);
        let absolute_end = token.expires;
        match (self.now >= idle_end, self.now >= absolute_end) {
            (false, false) => None,
            (true, false) => Some("token-expired-idle"),
            (false, true) => Some("token-expired-absolute"),
            (true, true) if idle_end < absolute_end => Some("token-expired-idle"),
            (true, true) => Some("token-expired-absolute"),
        }
    }

    /// Why a token is no good at a site; `None` when it is good.
    pub(crate) fn token_refusal(&self, token: usize, site: usize) -> Option<&'static str> {
        let token = &self.tokens[token];
        if !self.welcome(token.person, site) || !self.welcome(token.person, token.site) {
            return Some("credentials-rejected");
        }
        if let Some(why) = token.dead.or_else(|| self.time_up(token)) {
            return Some(why);
        }
        if !self.policy[token.site].pat {
            return Some("tokens-disabled");
        }
        (site != token.site && !self.policy[site].foreign).then_some("foreign-token-refused")
    }

    pub(crate) fn session_lives(&self, session: usize) -> bool {
        let session = &self.sessions[session];
        session.dead.is_none() && self.now < session.ends
    }

    fn kill_token(&mut self, token: usize, why: &'static str) {
        let now = self.now;
        self.tokens[token].dead.get_or_insert(why);
        for session in self.sessions.iter_mut().filter(|s| s.token == Some(token)) {
            session.revoke(now);
        }
    }

    /// What a membership's end takes with it: tokens at home here, and whatever is open here.
    fn kill_membership(&mut self, person: usize, site: usize) {
        let now = self.now;
        for token in 0..self.tokens.len() {
            if self.tokens[token].person == person && self.tokens[token].site == site {
                self.kill_token(token, "token-revoked");
            }
        }
        for session in self.sessions.iter_mut().filter(|s| s.person == person && s.site == site) {
            session.revoke(now);
        }
    }

    fn retire(&mut self, tokens: impl Fn(&Token) -> bool) {
        for i in 0..self.tokens.len() {
            if tokens(&self.tokens[i])
                && let Some(why) = self.time_up(&self.tokens[i])
            {
                self.kill_token(i, why);
            }
        }
    }

    fn mint(&mut self, person: usize, site: usize, name: usize, days: Option<u32>) {
        let policy = self.policy[site].clone();
        let max = policy.max.min(365 * DAY);
        let life = days.map_or(max, |days| i64::from(days) * DAY);
        let own = |t: &Token| t.person == person && t.site == site;
        let live: Vec<&Token> =
            self.tokens.iter().filter(|t| own(t) && t.dead.is_none() && self.time_up(t).is_none()).collect();
        let allowed = self.welcome(person, site)
            && policy.pat
            && policy.mint
            && life <= max
            && days != Some(0)
            && live.len() < CAP
            && live.iter().all(|t| t.name != name);
        if !allowed {
            return;
        }
        self.retire(own);
        self.tokens.push(Token {
            site,
            person,
            name,
            minted: self.now,
            expires: self.now + life,
            used: self.now,
            idle: policy.idle.min(15 * DAY),
            dead: None,
        });
    }

    fn sign_in(&mut self, token: usize, site: usize) {
        if self.token_refusal(token, site).is_some() {
            return;
        }
        for i in 0..self.sessions.len() {
            if self.sessions[i].token == Some(token) && self.session_lives(i) {
                self.sessions[i].dead = Some("session-superseded");
            }
        }
        let home = self.tokens[token].site;
        let row = &mut self.tokens[token];
        row.used = self.now;
        row.idle = self.policy[home].idle.min(15 * DAY);
        let ends = (self.now + self.policy[site].session).min(row.expires).min(row.used + row.idle);
        self.sessions.push(Session { token: Some(token), person: row.person, site, ends, dead: None });
    }

    fn switch(&mut self, session: usize, site: usize) {
        let old = self.sessions[session].clone();
        let allowed = self.session_lives(session)
            && old.site != site
            && self.policy[site].switch
            && self.welcome(old.person, site)
            && old.token.is_none_or(|token| self.token_refusal(token, site).is_none());
        if !allowed {
            return;
        }
        self.sessions[session].dead = Some("session-superseded");
        let ends = (self.now + self.policy[site].session).min(old.ends);
        self.sessions.push(Session { site, ends, ..old });
    }

    fn policy(&mut self, site: usize, change: PolicyChange) {
        let policy = &mut self.policy[site];
        match change {
            PolicyChange::Pat(on) => policy.pat = on,
            PolicyChange::Mint(on) => policy.mint = on,
            PolicyChange::Foreign(on) => policy.foreign = on,
            PolicyChange::Switch(on) => policy.switch = on,
            PolicyChange::Idle(span) => policy.idle = span,
            PolicyChange::Session(span) => policy.session = span,
            PolicyChange::Max(span) => policy.max = span,
        }
        let (pat, foreign) = (policy.pat, policy.foreign);
        for session in &mut self.sessions {
            let Some(token) = session.token else { continue };
            let home = self.tokens[token].site;
            let ends = (home == site && !pat) || (home != site && session.site == site && !foreign);
            if ends {
                session.revoke(self.now);
            }
        }
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match *step {
            Step::Mint { person, site, name, days } => self.mint(person, site, name, days),
            Step::SignIn { token, site } => {
                if !self.tokens.is_empty() {
                    self.sign_in(token % self.tokens.len(), site);
                }
            }
            Step::Password { person, site, .. } => {
                if self.welcome(person, site) {
                    let ends = self.now + self.policy[site].session;
                    self.sessions.push(Session { token: None, person, site, ends, dead: None });
                }
            }
            Step::SetPassword { session } => {
                let Some(i) = self.index(session) else { return };
                if self.session_lives(i) && self.sessions[i].token.is_none() {
                    let (person, now) = (self.sessions[i].person, self.now);
                    for (j, other) in self.sessions.iter_mut().enumerate() {
                        if j != i && other.person == person && other.token.is_none() {
                            other.revoke(now);
                        }
                    }
                }
            }
            Step::SignOut { session } => {
                let Some(i) = self.index(session) else { return };
                if self.session_lives(i) {
                    self.sessions[i].dead = Some("session-signed-out");
                }
            }
            Step::Switch { session, site } => {
                if let Some(i) = self.index(session) {
                    self.switch(i, site);
                }
            }
            Step::Revoke { token, by_admin } => {
                if self.tokens.is_empty() {
                    return;
                }
                let token = token % self.tokens.len();
                let t = &self.tokens[token];
                if by_admin || self.welcome(t.person, t.site) {
                    self.kill_token(token, "token-revoked");
                }
            }
            Step::RevokeAll { person, site } => {
                if self.members[site][person].standing != Standing::Removed {
                    for token in 0..self.tokens.len() {
                        if self.tokens[token].person == person && self.tokens[token].site == site {
                            self.kill_token(token, "token-revoked");
                        }
                    }
                }
            }
            Step::RevokeBefore { site, ago } => {
                for token in 0..self.tokens.len() {
                    if self.tokens[token].site == site && self.tokens[token].minted < self.now - ago {
                        self.kill_token(token, "token-revoked");
                    }
                }
            }
            Step::Disable { person, site } => {
                if self.members[site][person].standing == Standing::Active {
                    self.members[site][person].standing = Standing::Disabled;
                    self.kill_membership(person, site);
                }
            }
            Step::Enable { person, site } => {
                if self.members[site][person].standing == Standing::Disabled {
                    self.members[site][person].standing = Standing::Active;
                }
            }
            Step::Remove { person, site } => {
                if self.members[site][person].standing != Standing::Removed {
                    self.members[site][person].standing = Standing::Removed;
                    self.kill_membership(person, site);
                }
            }
            Step::Rejoin { person, site } => {
                if self.members[site][person].standing == Standing::Removed && !self.disabled[person] {
                    self.members[site][person] = Member { standing: Standing::Active, licensed: true };
                }
            }
            Step::Role { person, site, licensed } => {
                let member = &mut self.members[site][person];
                if member.standing != Standing::Removed {
                    let loses = member.licensed && !licensed;
                    member.licensed = licensed;
                    if loses {
                        self.kill_membership(person, site);
                    }
                }
            }
            Step::DisablePerson { person } => {
                if !self.disabled[person] {
                    self.disabled[person] = true;
                    self.kill_membership(person, 0);
                    self.kill_membership(person, 1);
                }
            }
            Step::EnablePerson { person } => self.disabled[person] = false,
            Step::Policy { site, change } => self.policy(site, change),
            Step::Sweep { site } => self.retire(|t| t.site == site),
            Step::Wait { span } => self.now += span,
        }
    }

    fn index(&self, session: usize) -> Option<usize> {
        (!self.sessions.is_empty()).then(|| session % self.sessions.len())
    }
}
