//! `GET serverInfo`: what clients negotiate their version by, before they sign in.

use super::answer::{Element, Reply};
use super::path::NEWEST;

const VERSION: &str = "2025.3.0";
const BUILD: &str = "20253.25.1203.0555";

pub(super) fn get() -> Reply {
    let info = Element::new("serverInfo")
        .child(Element::new("productVersion").with("build", BUILD).text(VERSION))
        .child(Element::new("restApiVersion").text(format!("{}.{}", NEWEST.0, NEWEST.1)));
    Reply::ok(vec![info])
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    #[test]
    fn server_info_is_as_clients_validate_it() {
        assert!(get().text(Format::Xml).contains(
            "<serverInfo><productVersion build=\"20253.25.1203.0555\">2025.3.0</productVersion>\
             <restApiVersion>3.27</restApiVersion></serverInfo>"
        ));
        let json: serde_json::Value = serde_json::from_str(&get().text(Format::Json)).expect("JSON");
        assert_eq!(
            json,
            serde_json::json!({"serverInfo": {
                "productVersion": {"value": "2025.3.0", "build": "20253.25.1203.0555"},
                "restApiVersion": "3.27",
            }})
        );
    }
}
