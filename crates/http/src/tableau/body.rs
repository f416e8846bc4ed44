//! Request bodies: XML and JSON become one small tree, so that no handler knows which one a client sent.
//!
//! The format is told by looking at the body: clients send XML as `text/xml`, as a form, or with no type at all.
//! Elements are matched by local name, since clients put all, some or none of them into the namespace. Never expands
//! an entity beyond XML's five own, never reads a DTD, never repeats what was sent in an error, and stops at fixed
//! sizes and depths. What is ambiguous (an attribute, member or element given twice) is refused, not guessed.

use std::fmt;

use patd_core::secret::PlainText;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

/// The longest body that is looked at.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// How deep elements or objects may nest; no request needs more than four.
const MAX_DEPTH: usize = 16;
/// Attributes of one element; no request needs more than ten.
const MAX_ATTRIBUTES: usize = 64;

/// Why a body was refused. Says which rule was broken, never what was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the request body is longer than 64 KiB")]
    TooLarge,
    #[error("the request body is missing")]
    Missing,
    #[error("the request body is neither XML nor a JSON object in UTF-8")]
    Neither,
    #[error("the request body is not well-formed XML")]
    Xml,
    #[error("the request body has a document type declaration or an entity of its own, which are not read")]
    Dtd,
    #[error("the root element of the request body is not `tsRequest`")]
    Root,
    #[error("the request body is not well-formed JSON, nests too deeply or has a member twice")]
    Json,
    #[error("the request body nests more than 16 deep")]
    TooDeep,
    #[error("an element of the request body has more than 64 attributes")]
    TooWide,
    #[error("`{0}` is missing from the request body")]
    Lacks(&'static str),
    #[error("`{0}` is in the request body more than once")]
    Twice(&'static str),
}

/// An XML element, or a JSON object: attributes are its scalar members, children its objects. No `Debug`: the values
/// may be secrets.
#[derive(Default)]
pub(crate) struct Node {
    name: String,
    attributes: Vec<(String, PlainText)>,
    children: Vec<Self>,
}

impl Node {
    /// The value of an attribute or scalar member; `null` counts as absent.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.expose())
    }

    /// The one child of this name.
    pub(crate) fn child(&self, name: &'static str) -> Result<Option<&Self>, Malformed> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Malformed::Twice(name)),
            (child, None) => Ok(child),
        }
    }

    /// The one child of this name, which must be there.
    pub(crate) fn need(&self, name: &'static str) -> Result<&Self, Malformed> {
        self.child(name)?.ok_or(Malformed::Lacks(name))
    }
}

/// Reads a body; the tree's root stands for `tsRequest` (XML) or the outermost object (JSON).
pub(crate) fn parse(body: &[u8]) -> Result<Node, Malformed> {
    if body.len() > MAX_BODY {
        return Err(Malformed::TooLarge);
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|_| Malformed::Neither)?.trim_ascii();
    match text.as_bytes().first() {
        None => Err(Malformed::Missing),
        Some(b'<') => xml(text),
        Some(b'{') => json(text),
        Some(_) => Err(Malformed::Neither),
    }
}

fn xml(text: &str) -> Result<Node, Malformed> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event().map_err(|_| Malformed::Xml)? {
            Event::Start(_) | Event::Empty(_) if root.is_some() => return Err(Malformed::Xml),
            Event::Start(_) | Event::Empty(_) if open.len() == MAX_DEPTH => return Err(Malformed::TooDeep),
            Event::Start(start) => open.push(element(&start)?),
            Event::Empty(start) => close(element(&start)?, &mut open, &mut root)?,
            Event::End(_) => {
                let node = open.pop().ok_or(Malformed::Xml)?;
                close(node, &mut open, &mut root)?;
            }
            Event::DocType(_) => return Err(Malformed::Dtd),
            Event::GeneralRef(name) => {
                let known = ["lt", "gt", "amp", "apos", "quot"].contains(&&*name) || name.is_char_ref();
                if !known || open.is_empty() {
                    return Err(Malformed::Dtd);
                }
            }
            // No request carries text; outside the root only blanks are XML.
            Event::Text(text) if open.is_empty() && !text.trim_ascii().is_empty() => {
                return Err(Malformed::Xml);
            }
            Event::CData(_) if open.is_empty() => return Err(Malformed::Xml),
            Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof if open.is_empty() => return root.ok_or(Malformed::Xml),
            Event::Eof => return Err(Malformed::Xml),
        }
    }
}

fn close(node: Node, open: &mut [Node], root: &mut Option<Node>) -> Result<(), Malformed> {
    match open.last_mut() {
        Some(parent) => parent.children.push(node),
        None if node.name == "tsRequest" => *root = Some(node),
        None => return Err(Malformed::Root),
    }
    Ok(())
}

fn element(start: &BytesStart<'_>) -> Result<Node, Malformed> {
    let mut node = Node { name: start.local_name().into_inner().to_owned(), ..Node::default() };
    for (count, attribute) in start.attributes().enumerate() {
        if count == MAX_ATTRIBUTES {
            return Err(Malformed::TooWide);
        }
        let attribute = attribute.map_err(|_| Malformed::Xml)?;
        let key = attribute.key.into_inner();
        // A prefixed attribute (`xsi:…`, `xmlns:…`) is in some other vocabulary than ours.
        if key == "xmlns" || key.contains(':') {
            continue;
        }
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| Malformed::Xml)?;
        node.attributes.push((key.to_owned(), PlainText::new(value.into_owned())));
    }
    Ok(node)
}

fn json(text: &str) -> Result<Node, Malformed> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut root = Node::default();
    Member { name: String::new(), into: &mut root, depth: 0 }
        .deserialize(&mut reader)
        .map_err(|_| Malformed::Json)?;
    reader.end().map_err(|_| Malformed::Json)?;
    root.children.pop().ok_or(Malformed::Json)
}

/// One value under its name, put into the node that holds it.
struct Member<'a> {
    name: String,
    into: &'a mut Node,
    depth: usize,
}

impl Member<'_> {
    fn scalar<E>(self, text: String) -> Result<(), E> {
        self.into.attributes.push((self.name, PlainText::new(text)));
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.scalar(value.to_string())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.scalar(value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.scalar(value.to_string())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.scalar(value.to_string())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.scalar(value.to_owned())
    }

    fn visit_string<E>(self, value: String) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.depth == MAX_DEPTH {
            return Err(A::Error::custom("too deep"));
        }
        let depth = self.depth + 1;
        while items
            .next_element_seed(Member { name: self.name.clone(), into: &mut *self.into, depth })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        if self.depth == MAX_DEPTH {
            return Err(A::Error::custom("too deep"));
        }
        let mut node = Node { name: self.name, ..Node::default() };
        let mut seen = std::collections::HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom("a member twice"));
            }
            members.next_value_seed(Member { name, into: &mut node, depth: self.depth + 1 })?;
        }
        self.into.children.push(node);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
