//! Answers: one tree of elements, written as XML or under the vendor's JSON mapping.
//!
//! What clients depend on: an XML declaration (tableauserverclient finds the namespace only then), the namespace on
//! the root, JSON scalars that are all strings, lists nested under their singular name, and no content type on an
//! empty answer. Never caches: every answer here may carry a session or personal data.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::accept::Format;

const HEAD: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    r#"<tsResponse xmlns="http://tableau.com/api" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" "#,
    r#"xsi:schemaLocation="http://tableau.com/api "#,
    r#"https://help.tableau.com/samples/en-us/rest_api/ts-api_3_27.xsd">"#,
);

/// One element of an answer. No `Debug`: an attribute may be a session.
pub(crate) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    text: Option<String>,
    children: Vec<Element>,
    list: bool,
}

impl Element {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), text: None, children: Vec::new(), list: false }
    }

    /// A container of like elements: in JSON an object that holds an array.
    pub(crate) fn list(name: &'static str, children: Vec<Self>) -> Self {
        Self { children, list: true, ..Self::new(name) }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// An attribute that is left out where it is empty.
    pub(crate) fn with_any(self, name: &'static str, value: &str) -> Self {
        if value.is_empty() { self } else { self.with(name, value) }
    }

    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    pub(crate) fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    fn write_xml(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        if self.text.is_none() && self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        if let Some(text) = &self.text {
            escape(text, out);
        }
        for child in &self.children {
            child.write_xml(out);
        }
        out.push_str("</");
        out.push_str(self.name);
        out.push('>');
    }

    fn to_json(&self) -> Value {
        if self.list {
            let mut lists = Map::new();
            for child in &self.children {
                let list = lists.entry(child.name).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(items) = list {
                    items.push(child.to_json());
                }
            }
            return Value::Object(lists);
        }
        match &self.text {
            Some(text) if self.attributes.is_empty() => Value::String(text.clone()),
            text => {
                let mut members = object(&self.children);
                members.extend(text.iter().map(|text| ("value".to_owned(), Value::String(text.clone()))));
                let attributes = self.attributes.iter();
                members.extend(attributes.map(|(name, value)| ((*name).to_owned(), value.clone().into())));
                Value::Object(members)
            }
        }
    }
}

fn object(elements: &[Element]) -> Map<String, Value> {
    elements.iter().map(|element| (element.name.to_owned(), element.to_json())).collect()
}

/// Escapes for text and double-quoted attributes alike; what XML 1.0 cannot carry becomes U+FFFD.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

/// What a call answers with.
pub(crate) struct Reply {
    status: StatusCode,
    content: Vec<Element>,
}

impl Reply {
    /// 200 with the children of `tsResponse`.
    pub(crate) fn ok(content: Vec<Element>) -> Self {
        Self::of(StatusCode::OK, content)
    }

    pub(crate) fn created(content: Vec<Element>) -> Self {
        Self::of(StatusCode::CREATED, content)
    }

    /// 204, which has neither body nor content type.
    pub(crate) fn empty() -> Self {
        Self::of(StatusCode::NO_CONTENT, Vec::new())
    }

    pub(crate) fn of(status: StatusCode, content: Vec<Element>) -> Self {
        Self { status, content }
    }

    /// Writes it.
    pub(crate) fn render(&self, format: Format) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.content.is_empty() {
            return response;
        }
        let kind = match format {
            Format::Xml => "application/xml;charset=UTF-8",
            Format::Json => "application/json;charset=UTF-8",
        };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        *response.body_mut() = Body::from(self.text(format));
        response
    }

    pub(crate) fn text(&self, format: Format) -> String {
        match format {
            Format::Json => Value::Object(object(&self.content)).to_string(),
            Format::Xml => {
                let mut out = HEAD.to_owned();
                for element in &self.content {
                    element.write_xml(&mut out);
                }
                out.push_str("</tsResponse>");
                out
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn xml(content: Vec<Element>) -> String {
        let text = Reply::ok(content).text(Format::Xml);
        let inner = text.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix("</tsResponse>"));
        inner.expect("the envelope").to_owned()
    }

    fn json(content: Vec<Element>) -> Value {
        serde_json::from_str(&Reply::ok(content).text(Format::Json)).expect("JSON")
    }

    fn credentials() -> Vec<Element> {
        vec![
            Element::new("credentials")
                .with("token", "T")
                .child(Element::new("site").with("id", "S").with("contentUrl", "Marketing"))
                .child(Element::new("user").with("id", "U")),
        ]
    }

    #[test]
    fn attributes_become_string_members_and_elements_objects() {
        assert_eq!(
            xml(credentials()),
            r#"<credentials token="T"><site id="S" contentUrl="Marketing"/><user id="U"/></credentials>"#
        );
        assert_eq!(
            json(credentials()),
            json!({"credentials": {"site": {"id": "S", "contentUrl": "Marketing"}, "user": {"id": "U"}, "token": "T"}})
        );
    }

    #[test]
    fn lists_nest_under_their_singular_and_are_empty_objects_when_empty() {
        let users = |n: usize| {
            let one = |n: usize| Element::new("user").with("id", n.to_string());
            vec![
                Element::new("pagination").with("totalAvailable", n.to_string()),
                Element::list("users", (0..n).map(one).collect()),
            ]
        };
        assert_eq!(json(users(1))["users"], json!({"user": [{"id": "0"}]}));
        assert_eq!(json(users(0)), json!({"pagination": {"totalAvailable": "0"}, "users": {}}));
        assert_eq!(xml(users(0)), r#"<pagination totalAvailable="0"/><users/>"#);
    }

    #[test]
    fn text_beside_attributes_is_called_value() {
        let element = || vec![Element::new("productVersion").with("build", "b").text("v")];
        assert_eq!(xml(element()), r#"<productVersion build="b">v</productVersion>"#);
        assert_eq!(json(element()), json!({"productVersion": {"value": "v", "build": "b"}}));
    }

    #[test]
    fn the_declaration_and_the_namespace_come_first() {
        let text = Reply::ok(credentials()).text(Format::Xml);
        assert!(text.starts_with("<?xml version=\"1.0\""));
        assert!(text.contains("<tsResponse xmlns=\"http://tableau.com/api\""));
        assert!(text.contains("xsi:schemaLocation=\"http://tableau.com/api https://"));
    }

    #[test]
    fn names_cannot_break_out_of_an_attribute() {
        let hostile = vec![Element::new("user").with("name", "\"/><a b='\u{0}\n&amp;")];
        assert_eq!(xml(hostile), "<user name=\"&quot;/&gt;&lt;a b='\u{fffd}&#10;&amp;amp;\"/>");
    }

    #[test]
    fn an_empty_answer_has_no_content_type() {
        for format in [Format::Xml, Format::Json] {
            let answer = Reply::empty().render(format);
            assert_eq!(answer.status(), StatusCode::NO_CONTENT);
            assert!(!answer.headers().contains_key(CONTENT_TYPE));
        }
    }
}
