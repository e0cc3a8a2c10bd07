//! One request, sent to wherever the server says that the file is now.

use std::io;

use ureq::http::{HeaderName, Response, header};
use ureq::{Body, Timeout};

use crate::url::{redirected, without_credentials};
use crate::{Fetcher, MOST_REDIRECTS};

/// A request for a file or parts of it.
pub(crate) struct Request<'a> {
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) url: &'a str,
    /// No proxy is asked.
    pub(crate) direct: bool,
    pub(crate) headers: Vec<(HeaderName, String)>,
}

/// Why a request was not answered.
pub(crate) enum Unanswered {
    /// The URL, or one that it leads to, can't be used.
    Url(String),
    /// It may work the next time.
    Broken(String),
}

impl Request<'_> {
    /// Asks wherever the server says that the file is now. Credentials are for the host that the URL
    /// names, and no other gets them.
    pub(crate) fn send(&self) -> Result<Response<Body>, Unanswered> {
        let (mut url, mut credentials) = without_credentials(self.url);
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send_to(&url, credentials.take())?;
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let place = response.headers().get(header::LOCATION);
            let Some(place) = place.filter(|_| is_redirect) else {
                return Ok(response);
            };
            let place = String::from_utf8_lossy(place.as_bytes());
            let next =
                redirected(&url, &place).map_err(|reason| Unanswered::Url(reason.to_owned()))?;
            url = without_credentials(&next).0;
        }
        Err(Unanswered::Url("it redirects in a loop".to_owned()))
    }

    fn send_to(
        &self,
        url: &str,
        credentials: Option<String>,
    ) -> Result<Response<Body>, Unanswered> {
        let mut request = self.fetcher.agent.get(url);
        if let Some(credentials) = credentials {
            request = request.header(header::AUTHORIZATION, credentials);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let proxy = match self.direct {
            true => None,
            false => self.fetcher.proxy_for(url),
        };
        let request = request.config().proxy(proxy).build();
        request.call().map_err(|error| match error {
            ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::ConnectionFailed
            | ureq::Error::HostNotFound
            | ureq::Error::Protocol(_) => Unanswered::Broken(self.fetcher.words(&error)),
            other => Unanswered::Url(self.fetcher.words(&other)),
        })
    }
}

impl Fetcher {
    /// Says what happened, without the URLs that some of the library's errors show.
    fn words(&self, error: &ureq::Error) -> String {
        let timeout = self.options.timeout.as_secs_f32();
        match error {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                format!("no connection within {timeout} seconds")
            }
            ureq::Error::Timeout(_) => format!("the server was silent for {timeout} seconds"),
            ureq::Error::Io(error) => self.io_words(error),
            ureq::Error::HostNotFound => "unknown host".to_owned(),
            ureq::Error::ConnectionFailed => "no connection".to_owned(),
            // These show the URL, or how its credentials were misread.
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => "it is not a URL".to_owned(),
            ureq::Error::RequireHttpsOnly(_) => "it is not an https URL".to_owned(),
            other => other.to_string(),
        }
    }

    /// Says what happened while a body was read.
    pub(crate) fn io_words(&self, error: &io::Error) -> String {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<ureq::Error>());
        match (inner, error.kind()) {
            (Some(inner), _) => self.words(inner),
            (None, io::ErrorKind::UnexpectedEof) => "the connection ended too early".to_owned(),
            (None, io::ErrorKind::TimedOut) => self.words(&ureq::Error::Timeout(Timeout::Global)),
            (None, _) => error.to_string(),
        }
    }
}
