//! The binary frames of Feishu's long-connection mode, as its official SDKs write them: two small proto2 messages.
//!
//! The relay itself receives webhooks, since an outgoing socket would keep an object awake. This is the codec for a
//! native program that dials out to Feishu instead. Written out rather than generated: proto2's `required` is to be
//! enforced, and one message with nine fields needs no code generator.

/// A frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Field 1. Full 64 bits: never to be held in a double.
    pub seq_id: u64,
    /// Field 2. Full 64 bits.
    pub log_id: u64,
    /// Field 3: the `service_id` of the endpoint.
    pub service: i32,
    /// Field 4: 0 control, 1 data.
    pub method: i32,
    /// Field 5, in order: `type`, `message_id`, `sum`, `seq` …
    pub headers: Vec<(String, String)>,
    /// Field 6.
    pub payload_encoding: Option<String>,
    /// Field 7.
    pub payload_type: Option<String>,
    /// Field 8.
    pub payload: Option<Vec<u8>>,
    /// Field 9.
    pub log_id_new: Option<String>,
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A required field of the frame, by its number.
    MissingRequiredField(u32),
    /// No required field at all.
    MissingRequiredFields,
    /// A header without its key.
    MissingRequiredHeaderKey,
    /// A header without its value.
    MissingRequiredHeaderValue,
    /// A string that is not UTF-8.
    NotUtf8,
    /// The bytes end within a field, or a length points past their end.
    Truncated,
    /// A number of more than 64 bits.
    VarintTooLong,
    /// A field of a wire type that proto2 does not have.
    WireType,
}

impl Frame {
    /// Reads a frame. Unknown fields are skipped.
    pub fn decode(bytes: &[u8]) -> Result<Frame, FrameError> {
        let mut frame = Frame::default();
        let mut reader = Reader(bytes);
        let mut seen = [false; 5];
        while let Some((field, value)) = reader.field()? {
            if let Some(seen) = seen.get_mut(field as usize) {
                *seen = true;
            }
            match (field, value) {
                (1, Field::Varint(number)) => frame.seq_id = number,
                (2, Field::Varint(number)) => frame.log_id = number,
                // An int32 travels as the low half of its 64-bit two's complement.
                (3, Field::Varint(number)) => frame.service = number as i32,
                (4, Field::Varint(number)) => frame.method = number as i32,
                (5, Field::Bytes(bytes)) => frame.headers.push(header(bytes)?),
                (6, Field::Bytes(bytes)) => frame.payload_encoding = Some(utf8(bytes)?),
                (7, Field::Bytes(bytes)) => frame.payload_type = Some(utf8(bytes)?),
                (8, Field::Bytes(bytes)) => frame.payload = Some(bytes.to_vec()),
                (9, Field::Bytes(bytes)) => frame.log_id_new = Some(utf8(bytes)?),
                _ => {}
            }
        }
        let missing: Vec<u32> = (1..=4).filter(|&field| seen.get(field as usize) == Some(&false)).collect();
        match missing.as_slice() {
            [] => Ok(frame),
            [_, _, _, _] => Err(FrameError::MissingRequiredFields),
            [field, ..] => Err(FrameError::MissingRequiredField(*field)),
        }
    }

    /// Writes the frame, fields in order of their numbers.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_number(&mut bytes, 1, self.seq_id);
        put_number(&mut bytes, 2, self.log_id);
        put_number(&mut bytes, 3, i64::from(self.service) as u64);
        put_number(&mut bytes, 4, i64::from(self.method) as u64);
        for (key, value) in &self.headers {
            let mut header = Vec::new();
            put_bytes(&mut header, 1, key.as_bytes());
            put_bytes(&mut header, 2, value.as_bytes());
            put_bytes(&mut bytes, 5, &header);
        }
        let texts = [(6, &self.payload_encoding), (7, &self.payload_type)];
        for (field, text) in texts {
            if let Some(text) = text {
                put_bytes(&mut bytes, field, text.as_bytes());
            }
        }
        if let Some(payload) = &self.payload {
            put_bytes(&mut bytes, 8, payload);
        }
        if let Some(text) = &self.log_id_new {
            put_bytes(&mut bytes, 9, text.as_bytes());
        }
        bytes
    }

    /// A header by its key.
    pub fn header(&self, key: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// Joins the parts of one message, in whatever order they came: the payloads' bytes by `seq`. None while parts are
/// missing. The bytes are joined before they are text, since a part may end within a character.
pub fn reassemble(parts: &[Frame]) -> Option<Vec<u8>> {
    let number = |frame: &Frame, key: &str| frame.header(key).and_then(|text| text.parse::<usize>().ok());
    let sum = number(parts.first()?, "sum")?;
    let mut payload = Vec::new();
    for seq in 0..sum {
        let part = parts.iter().find(|part| number(part, "seq") == Some(seq))?;
        payload.extend_from_slice(part.payload.as_deref().unwrap_or_default());
    }
    Some(payload)
}

enum Field<'a> {
    Bytes(&'a [u8]),
    Fixed,
    Varint(u64),
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn field(&mut self) -> Result<Option<(u32, Field<'a>)>, FrameError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed).ok_or(FrameError::Truncated)?,
            2 => {
                let length = self.varint()?;
                let taken = usize::try_from(length).ok().and_then(|length| self.take(length));
                Field::Bytes(taken.ok_or(FrameError::Truncated)?)
            }
            5 => self.take(4).map(|_| Field::Fixed).ok_or(FrameError::Truncated)?,
            _ => return Err(FrameError::WireType),
        };
        Ok(Some(((tag >> 3) as u32, value)))
    }

    fn varint(&mut self) -> Result<u64, FrameError> {
        let mut number = 0u64;
        for position in 0..10 {
            let (&byte, rest) = self.0.split_first().ok_or(FrameError::Truncated)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << (7 * position);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(FrameError::VarintTooLong)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

fn header(bytes: &[u8]) -> Result<(String, String), FrameError> {
    let mut reader = Reader(bytes);
    let (mut key, mut value) = (None, None);
    while let Some((field, content)) = reader.field()? {
        match (field, content) {
            (1, Field::Bytes(bytes)) => key = Some(utf8(bytes)?),
            (2, Field::Bytes(bytes)) => value = Some(utf8(bytes)?),
            _ => {}
        }
    }
    let key = key.ok_or(FrameError::MissingRequiredHeaderKey)?;
    Ok((key, value.ok_or(FrameError::MissingRequiredHeaderValue)?))
}

fn utf8(bytes: &[u8]) -> Result<String, FrameError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| FrameError::NotUtf8)
}

fn put_number(bytes: &mut Vec<u8>, field: u64, number: u64) {
    put_varint(bytes, field << 3);
    put_varint(bytes, number);
}

fn put_bytes(bytes: &mut Vec<u8>, field: u64, content: &[u8]) {
    put_varint(bytes, field << 3 | 2);
    put_varint(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
