//! Leases, bound to leases of etcd: its leader decides when one has run out.

use std::time::Duration;

use mikey_group::{Lease, StoreError};

use super::Cluster;
use super::rpc::{
    Compare, KeyValue, LEASE_GRANT, LEASE_REVOKE, LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeRequest,
    LeaseRevokeResponse, PutRequest, RangeRequest, Request, TxnRequest, delete,
};

/// How often a lease that runs out or is taken between two looks is looked at.
const ATTEMPTS: usize = 5;

impl Cluster {
    pub(super) async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, StoreError> {
        let key = self.layout.lease(name);
        for _ in 0..ATTEMPTS {
            match self.range(RangeRequest::one(key.clone())).await?.kvs.into_iter().next() {
                Some(held) if held.value != holder.as_bytes() => return self.held(&held),
                Some(mine) => {
                    if self.client.keep_alive(mine.lease).await? > 0 {
                        return self.held(&mine);
                    }
                }
                None => {
                    if let Some(token) = self.take(&key, holder, ttl).await? {
                        return Ok(Lease { name: name.into(), holder: holder.into(), token });
                    }
                }
            }
        }
        Err(StoreError::Unavailable(format!("the lease {name} changes hands all the time")))
    }

    /// Takes a lease that nobody has; its token, or `None` if somebody was faster.
    async fn take(&self, key: &[u8], holder: &str, ttl: Duration) -> Result<Option<u64>, StoreError> {
        let ttl = i64::try_from(ttl.as_secs().max(1)).unwrap_or(i64::MAX);
        let granted: LeaseGrantResponse = self.client.unary(LEASE_GRANT, LeaseGrantRequest { ttl }).await?;
        let put = PutRequest { key: key.into(), value: holder.into(), lease: granted.id };
        let take = TxnRequest {
            compare: vec![Compare::absent(key)],
            success: vec![Request::Put(put).into()],
            failure: Vec::new(),
        };
        let answer = self.txn(take).await?;
        if answer.succeeded {
            return Ok(Some(u64::try_from(answer.revision()).unwrap_or(0)));
        }
        // Were it this very call, repeated after its answer was lost, then the next look finds it held by us: so the
        // granted one is left to run out by itself if it is in use.
        let in_use = self.range(RangeRequest::one(key.into())).await?;
        if in_use.kvs.first().is_none_or(|held| held.lease != granted.id) {
            let revoke = LeaseRevokeRequest { id: granted.id };
            let _: LeaseRevokeResponse = self.client.unary(LEASE_REVOKE, revoke).await?;
        }
        Ok(None)
    }

    pub(super) async fn release(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        let key = self.layout.lease(name);
        let release = TxnRequest {
            compare: vec![Compare::value(&key, holder.as_bytes())],
            success: vec![delete(key, Vec::new())],
            failure: Vec::new(),
        };
        self.txn(release).await.map(drop)
    }

    pub(super) async fn leases(&self, prefix: &str) -> Result<Vec<Lease>, StoreError> {
        let (from, end) = self.layout.leases(prefix);
        let found = self.range(RangeRequest::between(from, end)).await?.kvs;
        let leases = found.iter().map(|kv| self.held(kv)).collect::<Result<Vec<_>, _>>()?;
        Ok(leases.into_iter().take_while(|lease| lease.name.starts_with(prefix)).collect())
    }

    fn held(&self, kv: &KeyValue) -> Result<Lease, StoreError> {
        let damaged = || StoreError::Corrupt(format!("the lease {} is not text", kv.key.escape_ascii()));
        Ok(Lease {
            name: self.layout.lease_name(&kv.key).ok_or_else(damaged)?,
            holder: String::from_utf8(kv.value.clone()).map_err(|_| damaged())?,
            token: u64::try_from(kv.create_revision).unwrap_or(0),
        })
    }
}
