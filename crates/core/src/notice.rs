//! Which notices there are, and which of them a person does not want by mail. The events are written all the same:
//! muting keeps a letter back, never a trace.

use crate::event::EventType;

/// A kind of notice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Notice {
    /// A token of the person was minted.
    TokenMinted,
    /// Somebody else revoked a token of the person.
    TokenRevoked,
    /// A token of the person comes near one of its ends.
    TokenExpires,
    /// A token of the person was used from a new network.
    NewNetwork,
    /// The week's inventory of a site of which the person is an admin.
    Inventory,
}

impl Notice {
    /// Those that a person can mute. That a token leaked is told in any case.
    pub const ALL: [Self; 5] =
        [Self::TokenMinted, Self::TokenRevoked, Self::TokenExpires, Self::NewNetwork, Self::Inventory];

    /// The name on the wire and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenMinted => "token_minted",
            Self::TokenRevoked => "token_revoked",
            Self::TokenExpires => "token_expires",
            Self::NewNetwork => "new_network",
            Self::Inventory => "inventory",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.as_str() == text)
    }

    /// The notice that an event is; `None` for other events and for what cannot be muted.
    #[must_use]
    pub const fn of(kind: EventType) -> Option<Self> {
        Some(match kind {
            EventType::NoticeTokenMinted => Self::TokenMinted,
            EventType::NoticeTokenRevoked => Self::TokenRevoked,
            EventType::NoticeTokenExpires => Self::TokenExpires,
            EventType::NoticeNewNetwork => Self::NewNetwork,
            EventType::NoticeInventory => Self::Inventory,
            _ => return None,
        })
    }
}

/// The notices that a person does not want. As text: their names with a blank between them, in the order of
/// [`Notice::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Muted(u8);

impl Muted {
    /// Whether this one is muted.
    #[must_use]
    pub const fn has(self, notice: Notice) -> bool {
        self.0 & 1 << notice as u8 != 0
    }

    /// With this one muted or not.
    #[must_use]
    pub const fn with(self, notice: Notice, muted: bool) -> Self {
        let bit = 1 << notice as u8;
        Self(if muted { self.0 | bit } else { self.0 & !bit })
    }

    /// Those that are muted.
    pub fn iter(self) -> impl Iterator<Item = Notice> {
        Notice::ALL.into_iter().filter(move |notice| self.has(*notice))
    }

    /// Reads the text; `None` when a name is unknown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split_ascii_whitespace()
            .try_fold(Self::default(), |muted, name| Some(muted.with(Notice::parse(name)?, true)))
    }

    /// As text.
    #[must_use]
    pub fn to_text(self) -> String {
        self.iter().map(Notice::as_str).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_muted_is_read_back_from_its_text_for_every_choice() {
        for bits in 0..1 << Notice::ALL.len() {
            let muted = Notice::ALL.into_iter().filter(|n| bits & (1 << *n as u8) != 0);
            let muted = muted.fold(Muted::default(), |all, notice| all.with(notice, true));
            assert_eq!(Muted::parse(&muted.to_text()), Some(muted));
            assert_eq!(muted.iter().count(), u32::count_ones(bits) as usize);
        }
        assert_eq!(Muted::parse("token_leaked"), None, "that a token leaked is told in any case");
    }
}
