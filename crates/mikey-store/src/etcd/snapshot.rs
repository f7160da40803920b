//! Snapshots, in pieces. The pieces are there before anything points to them, and the move of the pointer takes away
//! the records and the pieces that it makes superfluous.

use mikey_crypto::SecretBytes;
use mikey_group::{GroupName, Snapshot, StoreError};

use super::Cluster;
use super::layout::{PIECE, Pointer};
use super::rpc::{Compare, KeyValue, RangeRequest, TxnRequest, delete, put};

/// How often a snapshot that is replaced while it is read is read anew.
const ATTEMPTS: usize = 5;

impl Cluster {
    pub(super) async fn snapshot(&self, group: &GroupName) -> Result<Option<Snapshot>, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some((pointer, _)) = self.pointer(group).await? else { return Ok(None) };
            if let Some(state) = self.pieces(group, &pointer).await? {
                return Ok(Some(Snapshot { through: pointer.through, state }));
            }
        }
        Err(StoreError::Corrupt(format!("the snapshot of {group} is not whole")))
    }

    async fn pointer(&self, group: &GroupName) -> Result<Option<(Pointer, KeyValue)>, StoreError> {
        let answer = self.range(RangeRequest::one(self.layout.snapshot(group))).await?;
        answer.kvs.into_iter().next().map(|kv| Ok((Pointer::decode(&kv.value)?, kv))).transpose()
    }

    /// `None` if there are not as many octets as there should be.
    async fn pieces(&self, group: &GroupName, pointer: &Pointer) -> Result<Option<SecretBytes>, StoreError> {
        let mut pieces: Vec<SecretBytes> = Vec::new();
        let mut len = 0;
        while len < pointer.len {
            let number = pieces.len() as u64;
            let answer = self.range(RangeRequest::one(self.layout.piece(group, pointer.id, number))).await?;
            let Some(piece) = answer.kvs.into_iter().next() else { return Ok(None) };
            len += piece.value.len() as u64;
            pieces.push(piece.value.into());
        }
        if len != pointer.len {
            return Ok(None);
        }
        let mut state = SecretBytes::zeroed(pieces.iter().map(SecretBytes::len).sum());
        let octets = pieces.iter().flat_map(|piece| piece.expose());
        state.expose_mut().iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
        Ok(Some(state))
    }

    pub(super) async fn compact(
        &self,
        group: &GroupName,
        through: u64,
        state: &[u8],
    ) -> Result<(), StoreError> {
        let head = self.head(group).await?;
        if through > head {
            return Err(StoreError::Conflict { head });
        }
        let known = self.pointer(group).await?;
        if known.as_ref().is_some_and(|(pointer, _)| pointer.through >= through) {
            return Ok(());
        }
        // Those of others are under other numbers.
        let id = getrandom::u64().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        for (number, piece) in (0..).zip(state.chunks(PIECE)) {
            let success = vec![put(self.layout.piece(group, id, number), piece.to_vec())];
            self.txn(TxnRequest { success, ..TxnRequest::default() }).await?;
        }
        let pointer = Pointer { through, id, len: state.len() as u64 };
        let revision = known.map_or(0, |(_, kv)| kv.mod_revision);
        let (mine, after_mine) = self.layout.pieces(group, id);
        let (all, after_all) = self.layout.all_pieces(group);
        let move_pointer = TxnRequest {
            compare: vec![Compare::unchanged(&self.layout.snapshot(group), revision)],
            success: vec![
                put(self.layout.snapshot(group), pointer.encode()),
                delete(self.layout.record(group, 0), self.layout.record(group, through.saturating_add(1))),
                delete(all, mine.clone()),
                delete(after_mine.clone(), after_all),
            ],
            failure: Vec::new(),
        };
        if self.txn(move_pointer).await?.succeeded {
            return Ok(());
        }
        // Another's snapshot came between; or this very move was done before, and its answer lost.
        if self.pointer(group).await?.is_none_or(|(newest, _)| newest.id != id) {
            // The pointer has moved on from what was compared, so nothing can lead to these pieces any more.
            let success = vec![delete(mine, after_mine)];
            self.txn(TxnRequest { success, ..TxnRequest::default() }).await?;
        }
        Ok(())
    }
}
