//! Which keys of etcd hold what. Numbers in keys are hexadecimal of fixed length, so that keys are in their order.
//!
//! ```text
//! PREFIX head/GROUP             number of the last record (8 octets)
//! PREFIX log/GROUP/NUMBER       a record
//! PREFIX snapshot/GROUP         where the snapshot is: Pointer
//! PREFIX piece/GROUP/ID/NUMBER  a part of a snapshot
//! PREFIX lease/NAME             who holds it, bound to a lease of etcd
//! ```

use std::fmt::Write;

use mikey_group::{GroupName, StoreError};

/// Octets of a piece: etcd takes requests of 1.5 MiB.
pub(super) const PIECE: usize = 1024 * 1024;

pub(super) struct Layout {
    pub(super) prefix: String,
}

/// Keys from the first, to before the second.
pub(super) type KeyRange = (Vec<u8>, Vec<u8>);

impl Layout {
    fn key(&self, kind: &str, group: &GroupName, rest: &str) -> Vec<u8> {
        let mut key = format!("{}{kind}/", self.prefix);
        for octet in group.as_bytes() {
            // Writing to a String does not fail.
            let _ = write!(key, "{octet:02x}");
        }
        key.push_str(rest);
        key.into_bytes()
    }

    pub(super) fn head(&self, group: &GroupName) -> Vec<u8> {
        self.key("head", group, "")
    }

    pub(super) fn heads(&self) -> KeyRange {
        below(format!("{}head", self.prefix).into_bytes())
    }

    pub(super) fn record(&self, group: &GroupName, seq: u64) -> Vec<u8> {
        self.key("log", group, &format!("/{seq:016x}"))
    }

    /// All records from `first` on.
    pub(super) fn records(&self, group: &GroupName, first: u64) -> KeyRange {
        (self.record(group, first), below(self.key("log", group, "")).1)
    }

    pub(super) fn snapshot(&self, group: &GroupName) -> Vec<u8> {
        self.key("snapshot", group, "")
    }

    pub(super) fn piece(&self, group: &GroupName, id: u64, number: u64) -> Vec<u8> {
        self.key("piece", group, &format!("/{id:016x}/{number:016x}"))
    }

    /// The pieces of one snapshot.
    pub(super) fn pieces(&self, group: &GroupName, id: u64) -> KeyRange {
        below(self.key("piece", group, &format!("/{id:016x}")))
    }

    /// The pieces of all snapshots of a group.
    pub(super) fn all_pieces(&self, group: &GroupName) -> KeyRange {
        below(self.key("piece", group, ""))
    }

    pub(super) fn lease(&self, name: &str) -> Vec<u8> {
        format!("{}lease/{name}", self.prefix).into_bytes()
    }

    /// Every lease whose name begins so.
    pub(super) fn leases(&self, names: &str) -> KeyRange {
        let first = self.lease(names);
        (first, format!("{}lease0", self.prefix).into_bytes())
    }

    /// The name of a lease from its key.
    pub(super) fn lease_name(&self, key: &[u8]) -> Option<String> {
        let name = key.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b"lease/")?;
        String::from_utf8(name.to_vec()).ok()
    }

    /// The group of a key of its head.
    pub(super) fn group(&self, key: &[u8]) -> Result<GroupName, StoreError> {
        let octets = key.strip_prefix(self.prefix.as_bytes()).and_then(|key| key.strip_prefix(b"head/"));
        octets
            .and_then(unhex)
            .and_then(|octets| GroupName::new(&octets))
            .ok_or_else(|| StoreError::Corrupt(format!("the key {} names no group", key.escape_ascii())))
    }
}

/// Everything below a key: `/` follows it, and the octet after `/` is `0`.
fn below(key: Vec<u8>) -> KeyRange {
    ([&key, b"/".as_slice()].concat(), [&key, b"0".as_slice()].concat())
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let digit = |octet: u8| u8::try_from(char::from(octet).to_digit(16)?).ok();
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// The number at the end of a record's key.
pub(super) fn number(key: &[u8]) -> Option<u64> {
    let text = key.split_last_chunk::<16>()?.1;
    u64::from_str_radix(core::str::from_utf8(text).ok()?, 16).ok()
}

/// Where a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    /// Number of the last record in it.
    pub(super) through: u64,
    /// Under which its pieces are.
    pub(super) id: u64,
    /// Octets of all pieces.
    pub(super) len: u64,
}

impl Pointer {
    pub(super) fn encode(self) -> Vec<u8> {
        [self.through, self.id, self.len].into_iter().flat_map(u64::to_be_bytes).collect()
    }

    pub(super) fn decode(octets: &[u8]) -> Result<Self, StoreError> {
        match octets.as_chunks::<8>() {
            ([through, id, len], []) => {
                let number = |octets: &[u8; 8]| u64::from_be_bytes(*octets);
                Ok(Self { through: number(through), id: number(id), len: number(len) })
            }
            _ => Err(StoreError::Corrupt("a snapshot leads nowhere".into())),
        }
    }
}

/// The number in a head.
pub(super) fn head(octets: &[u8]) -> Result<u64, StoreError> {
    let octets = octets.try_into().map_err(|_| StoreError::Corrupt("a head is no number".into()))?;
    Ok(u64::from_be_bytes(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_numbers_and_lead_back() {
        let layout = Layout { prefix: "/mikey/".into() };
        let group = GroupName::new(b"a/b\x00").unwrap();
        let keys: Vec<_> = [1, 2, 9, 10, 255, 256, u64::MAX].map(|n| layout.record(&group, n)).into();
        assert!(keys.is_sorted());
        assert_eq!(number(&keys[4]), Some(255));
        let (first, end) = layout.records(&group, 1);
        assert!(keys.iter().all(|key| *key >= first && *key < end));
        let longer = layout.record(&GroupName::new(b"a/b\x00c").unwrap(), 1);
        assert!(longer < first || longer >= end, "a longer name is not among them");
        assert_eq!(layout.group(&layout.head(&group)), Ok(group));
        assert!(layout.group(b"/mikey/head/zz").is_err());
        assert_eq!(layout.lease_name(&layout.lease("live/a")).as_deref(), Some("live/a"));
    }

    #[test]
    fn pointers_are_whole_or_refused() {
        let pointer = Pointer { through: 3, id: 7, len: 1 << 40 };
        assert_eq!(Pointer::decode(&pointer.encode()), Ok(pointer));
        assert!(Pointer::decode(&pointer.encode()[1..]).is_err());
        assert!(Pointer::decode(b"").is_err());
        assert!(head(b"1234567").is_err());
    }
}
