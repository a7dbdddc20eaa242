//! Answers that went wrong on the way, whatever the provider meant to say.

use bytes::Bytes;
use http::{Response, StatusCode, header};

/// The page of a proxy that could not reach the provider.
pub(crate) fn bad_gateway_page() -> Response<Bytes> {
    let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
                <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
    let mut response = Response::new(Bytes::from_static(page.as_bytes()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html"));
    response
}

/// `response` with its body cut in the middle: complete for HTTP, broken as JSON.
pub(crate) fn cut_json(response: &mut Response<Bytes>) {
    let middle = response.body().len() / 2;
    response.body_mut().truncate(middle);
}
