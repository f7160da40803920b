//! An etcd cluster that several controllers share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mikey_crypto::SecretBytes;
use mikey_group::{Append, Changes, GroupName, Lease, Record, Snapshot, Store, StoreError};
use mikey_proto::Time;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use self::client::Client;
use self::layout::Layout;
use self::log::Entry;
use self::rpc::{RANGE, RangeRequest, RangeResponse, TXN, TxnRequest, TxnResponse};

mod client;
mod layout;
mod lease;
mod log;
mod rpc;
mod snapshot;

/// Groups whose transactions are under way at once.
const AT_ONCE: usize = 32;

/// Which cluster, and what of it.
pub struct EtcdConfig {
    /// `http://host:port` or `https://host:port` of each node.
    pub endpoints: Vec<String>,
    /// What all keys begin with. Controllers that serve the same groups have the same.
    pub prefix: String,
    /// How long a call may take, all endpoints and repeats together.
    pub timeout: Duration,
    /// For `https`. With it, an endpoint that is none is refused.
    pub tls: Option<EtcdTls>,
}

/// How the cluster is known, and we to it.
pub struct EtcdTls {
    /// Certificates of the CAs, in PEM.
    pub ca: Vec<u8>,
    /// Our certificate chain and private key, in PEM.
    pub identity: Option<(Vec<u8>, SecretBytes)>,
    /// The name in the cluster's certificates, if it is not that of the endpoint.
    pub server_name: Option<String>,
}

/// A store in an etcd cluster (3.4 or later). A clone is another handle with the same connections.
///
/// Each append is a transaction that compares the group's last number, read and written by a quorum, so of two that
/// propose one number one at most succeeds, whatever becomes of nodes and network.
#[derive(Clone)]
pub struct EtcdStore {
    cluster: Arc<Cluster>,
    runtime: Arc<Background>,
}

/// What calls need.
struct Cluster {
    client: Client,
    layout: Layout,
}

impl Cluster {
    async fn txn(&self, request: TxnRequest) -> Result<TxnResponse, StoreError> {
        self.client.unary(TXN, request).await
    }

    async fn range(&self, request: RangeRequest) -> Result<RangeResponse, StoreError> {
        self.client.unary(RANGE, request).await
    }
}

/// A runtime that may be dropped anywhere, also inside another.
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl EtcdStore {
    /// Prepares the connections; whether the cluster is there shows with the first call.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if an endpoint or a certificate is no such thing.
    pub fn new(config: &EtcdConfig) -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("etcd")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let client = {
            let _inside = runtime.enter();
            Client::new(config)?
        };
        let cluster = Cluster { client, layout: Layout { prefix: config.prefix.clone() } };
        Ok(Self { cluster: Arc::new(cluster), runtime: Arc::new(Background(Some(runtime))) })
    }

    fn wait<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        match &self.runtime.0 {
            Some(runtime) => runtime.block_on(call),
            None => Err(StoreError::Unavailable("closed".into())),
        }
    }
}

/// Appends to each group at the same time, so many at once; results by their place in the batch.
async fn append(cluster: Arc<Cluster>, batch: &[Append<'_>]) -> Vec<(usize, Result<(), StoreError>)> {
    let mut groups: BTreeMap<&GroupName, (Vec<usize>, Vec<Entry>)> = BTreeMap::new();
    for (place, entry) in batch.iter().enumerate() {
        let (places, entries) = groups.entry(entry.group).or_default();
        places.push(place);
        entries.push(Entry { seq: entry.seq, record: entry.record.to_vec() });
    }
    let mut under_way = JoinSet::new();
    let mut results = Vec::with_capacity(batch.len());
    for (group, (places, entries)) in groups {
        if under_way.len() >= AT_ONCE
            && let Some(Ok(done)) = under_way.join_next().await
        {
            results.extend::<Vec<_>>(done);
        }
        let (cluster, group) = (Arc::clone(&cluster), group.clone());
        under_way.spawn(async move {
            let results = cluster.append(&group, &entries).await;
            places.into_iter().zip(results).collect::<Vec<_>>()
        });
    }
    while let Some(done) = under_way.join_next().await {
        results.extend(done.unwrap_or_default());
    }
    results
}

impl Store for EtcdStore {
    fn append(&mut self, batch: &[Append<'_>]) -> Vec<Result<(), StoreError>> {
        let mut results = vec![Err(StoreError::Unavailable("it was not asked".into())); batch.len()];
        let cluster = Arc::clone(&self.cluster);
        let done = self.wait(async { Ok(append(cluster, batch).await) });
        for (place, result) in done.unwrap_or_default() {
            if let Some(slot) = results.get_mut(place) {
                *slot = result;
            }
        }
        results
    }

    fn read(&mut self, group: &GroupName, after: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.wait(self.cluster.read(group, after, limit))
    }

    fn snapshot(&mut self, group: &GroupName) -> Result<Option<Snapshot>, StoreError> {
        self.wait(self.cluster.snapshot(group))
    }

    fn compact(&mut self, group: &GroupName, through: u64, state: &[u8]) -> Result<(), StoreError> {
        self.wait(self.cluster.compact(group, through, state))
    }

    fn changes(&mut self, mark: u64) -> Result<Changes, StoreError> {
        self.wait(self.cluster.changes(mark))
    }

    fn lease(&mut self, _: Time, name: &str, holder: &str, ttl: Duration) -> Result<Lease, StoreError> {
        self.wait(self.cluster.lease(name, holder, ttl))
    }

    fn release(&mut self, name: &str, holder: &str) -> Result<(), StoreError> {
        self.wait(self.cluster.release(name, holder))
    }

    fn leases(&mut self, _: Time, prefix: &str) -> Result<Vec<Lease>, StoreError> {
        self.wait(self.cluster.leases(prefix))
    }
}
