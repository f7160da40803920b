//! Digest and Basic authentication of a client (RFC 2617, RFC 7616), by the crate http-auth.

use http_auth::{ChallengeRef, PasswordClient, PasswordParams};
use rtsp_types::{Request, Response, headers};

/// Who we are for the server. Neither printed nor compared.
pub struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// A user with a password.
    #[must_use]
    pub fn new(user: String, password: String) -> Self {
        Self { user, password }
    }
}

/// Answers a server's challenge, and each request after it.
pub struct Authenticator {
    credentials: Credentials,
    client: Option<PasswordClient>,
    /// Whether Basic may be used, which shows the password to whoever reads the connection.
    allow_basic: bool,
}

impl Authenticator {
    /// One that was not challenged yet. `secure`: the connection is encrypted and the server's certificate was checked, so that
    /// Basic, which hands the password over, will do.
    #[must_use]
    pub fn new(credentials: Credentials, secure: bool) -> Self {
        Self { credentials, client: None, allow_basic: secure }
    }

    /// Takes the challenges of a 401; false if none can be answered, or the same challenge came to an answer already.
    pub fn challenged(&mut self, response: &Response<Vec<u8>>) -> bool {
        let values: Vec<&str> = response
            .headers()
            .filter(|(name, _)| **name == headers::WWW_AUTHENTICATE)
            .map(|(_, value)| value.as_str())
            .collect();
        let stale =
            values.iter().any(|value| value.to_ascii_lowercase().replace('"', "").contains("stale=true"));
        if self.client.is_some() && !stale {
            return false;
        }
        // What is no challenge is passed over: there may be others.
        let challenges = values.iter().filter_map(|value| http_auth::parse_challenges(value).ok()).flatten();
        let mut usable: Vec<_> = challenges
            .map(|challenge| (rank(&challenge), challenge))
            .filter(|(rank, _)| *rank <= self.worst())
            .collect();
        usable.sort_by_key(|(rank, _)| *rank);
        self.client = usable.iter().find_map(|(_, challenge)| PasswordClient::try_from(challenge).ok());
        self.client.is_some()
    }

    fn worst(&self) -> u8 {
        if self.allow_basic { BASIC } else { DIGEST }
    }

    /// Adds the answer to a request, if there was a challenge.
    pub fn authorize(&mut self, request: &mut Request<Vec<u8>>) {
        let Some(client) = &mut self.client else { return };
        let uri = request.request_uri().map_or_else(|| "*".to_owned(), ToString::to_string);
        let method: String = <&str>::from(request.method()).to_owned();
        let params = PasswordParams {
            username: &self.credentials.user,
            password: &self.credentials.password,
            uri: &uri,
            method: &method,
            body: Some(request.body()),
        };
        if let Ok(answer) = client.respond(&params) {
            request.insert_header(headers::AUTHORIZATION, answer);
        }
    }
}

const DIGEST: u8 = 1;
const BASIC: u8 = 2;

/// Our order: Digest with SHA-256, with MD5 as most cameras have it, Basic.
fn rank(challenge: &ChallengeRef<'_>) -> u8 {
    let strong = challenge.params.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("algorithm")
            && value.to_unescaped().to_ascii_uppercase().starts_with("SHA-256")
    });
    match challenge.scheme {
        scheme if scheme.eq_ignore_ascii_case("Digest") => {
            if strong {
                0
            } else {
                DIGEST
            }
        }
        scheme if scheme.eq_ignore_ascii_case("Basic") => BASIC,
        _ => u8::MAX,
    }
}

#[cfg(test)]
mod tests {
    use rtsp_types::{Method, StatusCode, Url, Version};

    use super::*;

    fn challenge(value: &str) -> Response<Vec<u8>> {
        let builder = Response::builder(Version::V1_0, StatusCode::Unauthorized);
        builder.header(headers::WWW_AUTHENTICATE, value).build(Vec::new())
    }

    fn describe() -> Request<Vec<u8>> {
        let uri = Url::parse("rtsp://example.com/media.mp4").unwrap();
        Request::builder(Method::Describe, Version::V1_0).request_uri(uri).build(Vec::new())
    }

    fn authenticator(secure: bool) -> Authenticator {
        Authenticator::new(Credentials::new("user".into(), "pass".into()), secure)
    }

    fn answer(authenticator: &mut Authenticator) -> Option<String> {
        let mut request = describe();
        authenticator.authorize(&mut request);
        request.header(&headers::AUTHORIZATION).map(|value| value.as_str().to_owned())
    }

    #[test]
    fn a_digest_of_rfc_2069_is_answered_as_cameras_expect_it() {
        let mut client = authenticator(false);
        assert_eq!(answer(&mut client), None, "nothing is told before it is asked for");
        assert!(client.challenged(&challenge("Digest realm=\"cam\", nonce=\"8ab1c2d3\"")));
        let text = answer(&mut client).unwrap();
        // MD5(MD5("user:cam:pass"):8ab1c2d3:MD5("DESCRIBE:rtsp://example.com/media.mp4")), by Python's hashlib.
        assert!(text.contains(EXPECTED), "{text}");
        assert!(
            !client.challenged(&challenge("Digest realm=\"cam\", nonce=\"8ab1c2d3\"")),
            "a wrong password"
        );
        assert!(client.challenged(&challenge("Digest realm=\"cam\", nonce=\"99\", stale=TRUE")));
    }

    const EXPECTED: &str = "response=\"10b657d266a6743408703558da60ddc7\"";

    #[test]
    fn sha_256_is_preferred_and_basic_is_for_tls_alone() {
        let both = "Digest realm=\"cam\", nonce=\"1\", algorithm=MD5, qop=\"auth\", Digest realm=\"cam\", nonce=\"2\", \
                    algorithm=SHA-256, qop=\"auth\"";
        let mut client = authenticator(false);
        assert!(client.challenged(&challenge(both)));
        assert!(answer(&mut client).unwrap().contains("algorithm=SHA-256"));
        assert!(!authenticator(false).challenged(&challenge("Basic realm=\"cam\"")));
        let mut client = authenticator(true);
        assert!(client.challenged(&challenge("Basic realm=\"cam\"")));
        assert_eq!(answer(&mut client).unwrap(), "Basic dXNlcjpwYXNz");
        assert!(!authenticator(true).challenged(&challenge("Negotiate")));
        assert!(!authenticator(true).challenged(&challenge("\u{1}=\",")));
    }
}
