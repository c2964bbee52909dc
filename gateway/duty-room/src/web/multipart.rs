//! The body of a form with a picture, as browsers send it without any script (RFC 7578): its parts by name, whole or not
//! at all.

/// Parts of one form.
const PARTS: usize = 24;
/// Bytes of a part's own header.
const HEADER: usize = 1_024;

/// One field or file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'b> {
    pub(super) name: &'b str,
    pub(super) bytes: &'b [u8],
}

/// The parts; none if this is no such body.
pub(super) fn parts<'b>(content_type: &str, body: &'b [u8]) -> Option<Vec<Part<'b>>> {
    let boundary = boundary(content_type)?;
    let first = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(first.as_bytes())?;
    let mut found = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(found);
        }
        let part = rest.strip_prefix(b"\r\n")?;
        let head_end = place_of(part.get(..part.len().min(HEADER))?, b"\r\n\r\n")?;
        let (head, content) = (part.get(..head_end)?, part.get(head_end + 4..)?);
        let end = place_of(content, between.as_bytes())?;
        if found.len() >= PARTS {
            return None;
        }
        found.push(Part { name: name_of(std::str::from_utf8(head).ok()?)?, bytes: content.get(..end)? });
        rest = content.get(end + between.len()..)?;
    }
}

fn boundary(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';');
    if !parameters.next()?.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.find_map(|one| one.trim().strip_prefix("boundary="))?.trim_matches('"');
    (!value.is_empty() && value.len() <= 70 && value.is_ascii()).then_some(value)
}

/// Of a part: its name, in its `Content-Disposition`.
fn name_of(head: &str) -> Option<&str> {
    let line = head.lines().find(|line| {
        line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case("content-disposition:"))
    })?;
    let (_, rest) = line.split_once("; name=\"")?;
    rest.split_once('"').map(|(name, _)| name)
}

fn place_of(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIND: &str = "multipart/form-data; boundary=----Boundary7";

    fn body(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, bytes) in parts {
            let head = format!(
                "------Boundary7\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: x/y\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"------Boundary7--\r\n");
        body
    }

    #[test]
    fn a_form_is_read_whole_and_what_is_none_not_at_all() {
        let made = body(&[("words", "水退了".as_bytes()), ("photo", b"\xff\xd8\r\n\r\n--x")]);
        let found = parts(KIND, &made).unwrap();
        assert_eq!(found[0], Part { name: "words", bytes: "水退了".as_bytes() });
        assert_eq!(found[1], Part { name: "photo", bytes: b"\xff\xd8\r\n\r\n--x" });
        assert_eq!(parts(KIND, &body(&[])).unwrap(), []);
        let cut = &made[..made.len() - 30];
        for (kind, bytes) in [
            (KIND, cut),
            (KIND, b"".as_slice()),
            ("text/plain", made.as_slice()),
            ("multipart/form-data", made.as_slice()),
            ("multipart/form-data; boundary=other", made.as_slice()),
        ] {
            assert_eq!(parts(kind, bytes), None, "{kind}");
        }
        let many: Vec<(&str, &[u8])> = vec![("a", b""); PARTS + 1];
        assert_eq!(parts(KIND, &body(&many)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_surprise(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parts(KIND, &bytes);
            let made = body(&[("a", &bytes)]);
            // What has the boundary in itself is another form.
            if place_of(&bytes, b"------Boundary7").is_none() {
                prop_assert_eq!(parts(KIND, &made).unwrap(), [Part { name: "a", bytes: &bytes }]);
            }
        }
    }
}
