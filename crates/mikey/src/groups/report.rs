//! What a member tells its controller of its own senders: where they stand, and their TESLA chains (docs/spec.md, 14.2, 14.5).

use std::collections::BTreeMap;

use mikey_proto::{ChainKeys, Endpoint, GroupAsk, GroupSender, Time};
use mikey_srtp::{PacketIndex, Ssrc};

use super::{Membership, REPORT_EVERY, REPORT_INTERVAL};
use crate::media::MediaTable;

impl Membership {
    /// What is new of the chains of a sender; one of our own gets its first.
    pub(super) fn learn_chains(
        &mut self,
        now: Time,
        media: &mut MediaTable,
        key: (u8, u32),
        chains: &ChainKeys,
    ) {
        let Some((tesla, installed)) = self.tesla.as_mut().zip(self.installed.get_mut(&key)) else { return };
        if !installed.yours {
            let id = (installed.id, Ssrc(key.1));
            installed.chain = tesla.learn(&mut media.db, id, chains, installed.chain);
        } else if installed.chain.is_none() {
            tesla.prepare(now, key, None);
        }
    }

    /// The controller has stored a report of ours.
    pub(super) fn chains_stored(&mut self, media: &mut MediaTable, senders: &[GroupSender]) {
        let Some(tesla) = &mut self.tesla else { return };
        for sender in senders {
            let key = (sender.cs_id, sender.ssrc);
            let Some(installed) = self.installed.get_mut(&key) else { continue };
            let id = (key, installed.id);
            let stored = tesla.stored(&mut media.db, id, &sender.chains, installed.chain);
            installed.chain = stored.or(installed.chain);
        }
    }

    /// Tells the controller of chains of ours, if there are some that it does not know.
    pub(super) fn report_chains(&mut self, now: Time, endpoint: &mut Endpoint, media: &MediaTable) {
        if self.tesla.as_ref().is_some_and(|tesla| tesla.report_at.is_some_and(|at| at <= now)) {
            self.report(now, endpoint, media);
        }
    }

    // R14.11
    /// Tells the controller where our senders stand, if one has gone far enough since.
    pub(super) fn report(&mut self, now: Time, endpoint: &mut Endpoint, media: &MediaTable) {
        let chains = self.tesla.as_ref().and_then(|tesla| tesla.report_at).is_some_and(|at| at <= now);
        if !chains && self.report.not_before.is_some_and(|at| now < at) {
            return;
        }
        let mut due = chains;
        let mut senders = Vec::new();
        let mut told = BTreeMap::new();
        for (key, installed) in self.installed.iter().filter(|(_, installed)| installed.yours) {
            let index = media.db.stream(installed.id, Ssrc(key.1)).and_then(|info| info.index);
            let chains = self.tesla.as_ref().map(|tesla| tesla.told(*key)).unwrap_or_default();
            if index.is_none() && chains[0].is_none() {
                continue;
            }
            let sent = index.is_some();
            let index = index.unwrap_or(PacketIndex::new(0, 0));
            let value = u64::from(index.roc()) << 16 | u64::from(index.seq());
            let last = self.report.told.get(key);
            due |= sent && last.is_none_or(|last| value.saturating_sub(*last) >= REPORT_EVERY);
            if sent {
                told.insert(*key, value);
            }
            senders.push(GroupSender {
                cs_id: key.0,
                ssrc: key.1,
                yours: true,
                gone: false,
                shared: false,
                roc: index.roc(),
                seq: index.seq(),
                chains,
            });
        }
        if !due {
            return;
        }
        // While another request is on its way the next packet brings us here again.
        self.report.not_before = Some(now + REPORT_INTERVAL);
        let ask = GroupAsk::Report(senders);
        let asked = endpoint.ask_group(now, self.session, self.member.values(), &ask).is_ok();
        if asked {
            self.report.told = told;
        }
        if let Some(tesla) = self.tesla.as_mut().filter(|_| chains) {
            tesla.report_at = (!asked).then(|| now + REPORT_INTERVAL);
        }
    }
}
