//! Where an answer begins in what an HTTP/2 server sends.
//!
//! Must not know: anything else of HTTP/2.

/// A frame's head: length, type, flags, stream.
const HEAD: usize = 9;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// Follows the frames of one connection.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: Vec<u8>,
    /// Of the frame that is under way.
    left: usize,
}

impl Frames {
    /// Where `chunk`, which is what comes next, may be cut so that a part of an answer has arrived. `None`: no answer begins in it.
    pub(super) fn middle_of_an_answer(&mut self, chunk: &[u8]) -> Option<usize> {
        let (mut place, mut middle) = (0, None);
        while place < chunk.len() {
            let skipped = self.left.min(chunk.len() - place);
            self.left -= skipped;
            place += skipped;
            let missing = (HEAD - self.head.len()).min(chunk.len() - place);
            self.head.extend_from_slice(&chunk[place..place + missing]);
            place += missing;
            if self.head.len() < HEAD {
                break;
            }
            self.left = usize::from(self.head[0]) << 16 | usize::from(self.head[1]) << 8 | usize::from(self.head[2]);
            if self.head[3] == HEADERS && middle.is_none() {
                // A head that ends its answer is the whole of it: then within.
                let part = if self.head[4] & END_STREAM == 0 { self.left } else { self.left / 2 };
                middle = Some((place + part).min(chunk.len()));
            }
            self.head.clear();
        }
        middle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn an_answer_is_cut_behind_its_head_wherever_the_chunks_end() {
        let sent =
            [frame(4, 0, b"settings"), frame(1, 4, b"head"), frame(0, 0, b"body"), frame(1, 5, b"trailers")].concat();
        let behind_the_head = frame(4, 0, b"settings").len() + HEAD + 4;
        assert_eq!(Frames::default().middle_of_an_answer(&sent), Some(behind_the_head));
        for end in 1..sent.len() {
            let mut frames = Frames::default();
            let (first, second) = (frames.middle_of_an_answer(&sent[..end]), frames.middle_of_an_answer(&sent[end..]));
            let cut = first.or(second.map(|cut| end + cut)).unwrap();
            assert!((behind_the_head - 4..=behind_the_head).contains(&cut), "{end}: {cut}");
        }
    }

    #[test]
    fn what_is_no_answer_is_not_cut() {
        let sent = [frame(4, 0, b"settings"), frame(6, 1, b"pingpong"), frame(8, 0, b"more")].concat();
        assert_eq!(Frames::default().middle_of_an_answer(&sent), None);
    }
}
