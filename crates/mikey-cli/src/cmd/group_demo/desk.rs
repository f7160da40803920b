//! The controller: its service on a driver, and the store that its records go to.

use std::net::SocketAddr;
use std::sync::Arc;

use mikey::group::{
    AccessTable, Append, Controller, GroupConfig, GroupName, MemoryStore, Rule, Service, ServiceConfig,
    Store, Who,
};
use mikey::keying::GroupStream;
use mikey::{Name, SrtpPolicy};
use mikey_crypto::Signer;
use mikey_net::{Audience, Driver, GroupNews, Happening};

use super::cast::{GROUP, Part, SPEAKER, failed};
use crate::call::credentials::parse_name;
use crate::error::{Error, Result};

/// The RTP session of the group.
pub(super) const CS_ID: u8 = 1;

pub(super) struct Desk {
    driver: Driver,
    store: MemoryStore,
    group: GroupName,
}

impl Desk {
    /// A controller of a new group: its realm may listen, and the speaker may speak.
    pub(super) fn new(driver: Driver, group_key: &[u8], policy: SrtpPolicy) -> Result<Self> {
        let provider = mikey_crypto_aws_lc::provider();
        let signer: Arc<dyn Signer> = (provider.load_signer)(group_key).map_err(failed)?.into();
        let sessions = vec![GroupStream { cs_id: CS_ID, policy }];
        let first =
            Controller::create(&provider, &GroupConfig::new(GROUP, sessions), &*signer).map_err(failed)?;
        let group = GroupName::new(GROUP).ok_or_else(|| Error::failed("no name of a group"))?;
        let mut store = MemoryStore::new();
        append(&mut store, &group, first.seq, first.record.expose())?;
        let records = [(first.seq, first.record.expose())];
        let controller = Controller::open(provider, None, records, |_| Some(signer)).map_err(failed)?;
        let mut access = AccessTable::new();
        let realm = Who::Realm("example.com".into());
        let (speaks, listens) = (Part::Speaks.roles(), Part::Stays.roles());
        access.allow(GROUP, Rule { who: Who::Name(parse_name(SPEAKER)?), roles: speaks, ssrcs: 1 });
        access.allow(GROUP, Rule { who: realm, roles: listens, ssrcs: 0 });
        let mut desk = Self { driver, store, group };
        let mut service = Service::new(ServiceConfig::default(), Arc::new(access));
        service.add(desk.driver.clock().now(), controller);
        desk.driver.serve(service, Audience::Everybody);
        Ok(desk)
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.driver.local_addr()
    }

    /// The epoch, and how many members there are.
    pub(super) fn state(&self) -> (u32, usize) {
        let controller = self.driver.service().and_then(|service| service.controller(GROUP));
        controller.map_or((0, 0), |controller| (controller.epoch(), controller.len()))
    }

    /// Has a member be none any more, with the next record.
    pub(super) fn expel(&mut self, name: &Name) -> Result {
        let expelled = self.driver.with_service(|now, service, _| service.expel(now, GROUP, name));
        expelled.ok_or_else(|| Error::failed("no controller"))?.map_err(failed)
    }

    /// Does what there is to be done now.
    pub(super) async fn turn(&mut self) -> Result<bool> {
        let mut any = false;
        while let Ok(happened) = tokio::time::timeout(std::time::Duration::ZERO, self.driver.next()).await {
            any = true;
            let happened = happened.map_err(failed)?;
            if let Happening::Group(GroupNews::Propose { group, proposal }) = happened {
                append(&mut self.store, &self.group, proposal.seq, proposal.record.expose())?;
                let stored =
                    self.driver.with_service(|now, service, endpoint| service.stored(now, endpoint, &group));
                stored.ok_or_else(|| Error::failed("no controller"))?.map_err(failed)?;
            }
        }
        Ok(any)
    }
}

fn append(store: &mut MemoryStore, group: &GroupName, seq: u64, record: &[u8]) -> Result {
    let results = store.append(&[Append { group, seq, record }]);
    results.into_iter().next().unwrap_or(Ok(())).map_err(failed)
}
