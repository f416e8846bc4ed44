//! Every body that a client of the contract sends, and bodies that none should.

use proptest::prelude::*;

use super::*;

/// The bodies that sign in with the PAT `N`, secret `S`, at `marketing`, client by client.
const PAT_SIGN_INS: [(&str, &str); 8] = [
    (
        "tableauserverclient",
        r#"<tsRequest><credentials personalAccessTokenName="N" personalAccessTokenSecret="S"><site contentUrl="marketing" /></credentials></tsRequest>"#,
    ),
    (
        "tableau-api-client, root in the namespace and children in none",
        r#"<ns0:tsRequest xmlns:ns0="http://tableau.com/api"><credentials personalAccessTokenName="N" personalAccessTokenSecret="S"><site contentUrl="marketing"/></credentials></ns0:tsRequest>"#,
    ),
    (
        "all in the namespace",
        r#"<tsRequest xmlns="http://tableau.com/api"><credentials personalAccessTokenName="N" personalAccessTokenSecret="S"><site contentUrl="marketing"/></credentials></tsRequest>"#,
    ),
    (
        "the vendor's curl examples, as a form without line ends",
        r#"  <tsRequest><credentials	personalAccessTokenName="N" personalAccessTokenSecret="S" >	<site contentUrl="marketing" />	</credentials></tsRequest>"#,
    ),
    (
        "with declaration, comment, byte order mark and unknown parts",
        "\u{feff}<?xml version='1.0' encoding='utf-8'?>\n<!-- c --><tsRequest xmlns:xsi='x' xsi:schemaLocation='a b' new='1'><later/><credentials personalAccessTokenName='N' isUat='false' personalAccessTokenSecret='&#83;'><site contentUrl='marketing' id='7'/>text &amp; more</credentials></tsRequest>\n",
    ),
    (
        "tableau-api-lib",
        r#"{"credentials": {"personalAccessTokenName": "N", "personalAccessTokenSecret": "S", "site": {"contentUrl": "marketing"}, "user": {"id": null}}}"#,
    ),
    (
        "the vendor's JSON",
        r#"{"credentials":{"personalAccessTokenName":"N","personalAccessTokenSecret":"S","site":{"contentUrl":"marketing"}}}"#,
    ),
    (
        "JSON with unknown members",
        r#"{"later": [1, {"a": [null, true]}], "credentials":{"n": 1.5, "personalAccessTokenName":"N","personalAccessTokenSecret":"\u0053","site":{"contentUrl":"marketing"}}}"#,
    ),
];

#[test]
fn every_clients_sign_in_is_read_alike() {
    for (client, body) in PAT_SIGN_INS {
        let root = parse(body.as_bytes()).unwrap_or_else(|error| panic!("{client}: {error}"));
        let credentials = root.need("credentials").unwrap_or_else(|error| panic!("{client}: {error}"));
        assert_eq!(credentials.attribute("personalAccessTokenName"), Some("N"), "{client}");
        assert_eq!(credentials.attribute("personalAccessTokenSecret"), Some("S"), "{client}");
        assert_eq!(credentials.attribute("password"), None, "{client}");
        let site = credentials.need("site").unwrap_or_else(|error| panic!("{client}: {error}"));
        assert_eq!(site.attribute("contentUrl"), Some("marketing"), "{client}");
        let user = credentials.child("user").unwrap_or_else(|error| panic!("{client}: {error}"));
        assert_eq!(user.and_then(|user| user.attribute("id")), None, "{client}");
    }
}

fn error(body: impl AsRef<[u8]>) -> Malformed {
    match parse(body.as_ref()) {
        Err(error) => error,
        Ok(_) => panic!("was read"),
    }
}

#[test]
fn the_other_shapes_are_read() {
    let password = parse(
        br#"<tsRequest><credentials name="a" password="b c&#10;d&lt;"><site/></credentials></tsRequest>"#,
    );
    let password = password.unwrap_or_else(|error| panic!("{error}"));
    let credentials = password.need("credentials").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(credentials.attribute("password"), Some("b c\nd<"));
    assert_eq!(credentials.child("site").map(|site| site.and_then(|s| s.attribute("contentUrl"))), Ok(None));
    for body in [r#"<tsRequest><site contentUrl="x"/></tsRequest>"#, r#"{"site":{"contentUrl":"x"}}"#] {
        let root = parse(body.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(root.need("site").map(|site| site.attribute("contentUrl")), Ok(Some("x")));
    }
}

#[test]
fn an_absent_body_is_missing() {
    for body in ["", " \r\n\t", "\u{feff}"] {
        assert_eq!(error(body), Malformed::Missing);
    }
}

#[test]
fn what_is_neither_xml_nor_an_object_is_refused() {
    for body in ["a=b&c=d", "[]", "null", "\"x\"", "\u{1f}\u{8b}", "%3CtsRequest%3E"] {
        assert_eq!(error(body), Malformed::Neither, "{body:?}");
    }
    assert_eq!(error(b"<tsRequest a='\xff'/>"), Malformed::Neither);
    assert_eq!(error(b"\xff\xfe<\0t\0s\0"), Malformed::Neither);
    assert_eq!(error(b"{\"credentials\":\"\xc3\x28\"}"), Malformed::Neither);
}

#[test]
fn a_document_type_is_refused_before_anything_expands() {
    let laughs = (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)));
    let laughs = laughs.collect::<String>();
    for body in [
        format!("<!DOCTYPE t [<!ENTITY l0 \"lol\">{laughs}]><tsRequest>&l9;</tsRequest>"),
        "<!DOCTYPE t SYSTEM \"http://127.0.0.1/x.dtd\"><tsRequest/>".to_owned(),
        "<!DOCTYPE t [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><tsRequest a=\"&x;\"/>".to_owned(),
        "<?xml version='1.0'?><!DOCTYPE tsRequest><tsRequest/>".to_owned(),
        "<tsRequest>&x;</tsRequest>".to_owned(),
    ] {
        assert_eq!(error(&body), Malformed::Dtd, "{body}");
    }
    assert_eq!(error("<tsRequest a='&x;'/>"), Malformed::Xml);
}

#[test]
fn depth_width_and_size_are_bounded() {
    let deep = |n: usize| format!("<tsRequest>{}{}</tsRequest>", "<a>".repeat(n), "</a>".repeat(n));
    assert!(parse(deep(MAX_DEPTH - 1).as_bytes()).is_ok());
    assert_eq!(error(deep(MAX_DEPTH)), Malformed::TooDeep);
    assert_eq!(error("<a>".repeat(10_000)), Malformed::TooDeep);
    assert_eq!(error(format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000))), Malformed::Json);
    assert_eq!(error(format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000))), Malformed::Json);
    assert_eq!(error(format!("{{\"a\":{}{}}}", "[".repeat(20), "]".repeat(20))), Malformed::Json);
    let wide = |n: usize| (0..n).map(|n| format!(" a{n}='1'")).collect::<String>();
    assert!(parse(format!("<tsRequest{}/>", wide(64)).as_bytes()).is_ok());
    assert_eq!(error(format!("<tsRequest{}/>", wide(65))), Malformed::TooWide);
    assert_eq!(error(format!("<tsRequest a='{}'/>", "x".repeat(1 << 20))), Malformed::TooLarge);
    assert_eq!(error(format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20))), Malformed::TooLarge);
    assert_eq!(error(" ".repeat(MAX_BODY + 1)), Malformed::TooLarge);
}

#[test]
fn broken_xml_is_refused() {
    for body in [
        "<",
        "<tsRequest>",
        "<tsRequest",
        "<tsRequest></credentials>",
        "<tsRequest></tsRequest></tsRequest>",
        "<tsRequest/><tsRequest/>",
        "<tsRequest/>{}",
        "<tsRequest/><![CDATA[x]]>",
        "<tsRequest a='1' a='2'/>",
        "<tsRequest a=1/>",
        "<tsRequest a/>",
        "<tsRequest a='&#0;x&#xFFFFFFFF;'/>",
        "<!-- only -->",
        "<?xml version='1.0'?>",
    ] {
        assert_eq!(error(body), Malformed::Xml, "{body}");
    }
    assert_eq!(error("<html/>"), Malformed::Root);
    assert_eq!(error("<tsResponse><tsRequest/></tsResponse>"), Malformed::Root);
}

#[test]
fn broken_json_is_refused() {
    for body in ["{", "{}{}", "{} x", "{\"a\":}", "{\"a\":1,}", "{'a':1}", "{\"a\":NaN}", "{\"a\":\"\n\"}"] {
        assert_eq!(error(body), Malformed::Json, "{body}");
    }
}

#[test]
fn what_is_given_twice_is_refused_not_guessed() {
    assert_eq!(error(r#"{"a":1,"a":2}"#), Malformed::Json);
    for body in [
        "<tsRequest><site contentUrl='a'/><x:site xmlns:x='y' contentUrl='b'/></tsRequest>",
        r#"{"site":[{"contentUrl":"a"},{"contentUrl":"b"}]}"#,
    ] {
        let root = parse(body.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(root.need("site").err(), Some(Malformed::Twice("site")));
    }
}

#[test]
fn no_refusal_repeats_what_was_sent() {
    for body in ["<tsRequest a='S3CRET", "{\"S3CRET\":", "S3CRET", "<S3CRET/>", "{\"S3CRET\":1,\"S3CRET\":1}"]
    {
        assert!(!error(body).to_string().contains("S3CRET"));
    }
}

proptest! {
    #[test]
    fn no_body_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn nothing_like_xml_panics(text in "(<|>|/|&|#|x|;|'|\"|=|!|\\[|\\]|-|\\?|DOCTYPE|CDATA|tsRequest|a:| |\u{e9}){0,60}") {
        let _ = parse(text.as_bytes());
        let _ = parse(format!("<tsRequest>{text}</tsRequest>").as_bytes());
    }

    #[test]
    fn nothing_like_json_panics(text in "(\\{|\\}|\\[|\\]|:|,|\"|a|1|-|e|\\.|null|\\\\|u00|\u{e9}){0,60}") {
        let _ = parse(text.as_bytes());
        let _ = parse(format!("{{\"a\":{text}}}").as_bytes());
    }

    #[test]
    fn any_value_comes_through_both_formats(value in "[^\\p{C}]{0,40}") {
        let escaped = value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let xml = format!("<tsRequest><user name=\"{escaped}\"/></tsRequest>");
        let json = serde_json::json!({"user": {"name": value}}).to_string();
        for body in [xml, json] {
            let root = parse(body.as_bytes())?;
            prop_assert_eq!(root.need("user")?.attribute("name"), Some(value.as_str()));
        }
    }
}
