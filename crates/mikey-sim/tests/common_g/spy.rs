//! A member of a group that has its keys in hand, and makes with them what an agent would not: packets in another's name.

use mikey::group::{EpochKeys, Member, MemberEvent, SenderKeys, Timing};
use mikey::keying::{Call, Endpoint, EndpointConfig, GroupRequest, Identity, PskTable};
use mikey::srtp::tesla::{SenderClock, TeslaSender};
use mikey::srtp::{
    ContextDb, DbConfig, Destination, Direction, Install, MasterKey, Mki, Owner, Ssrc, Ssrcs, StartIndex,
};
use mikey_crypto::tesla::{KEY_LEN, KeyChain, TeslaParams};
use mikey_crypto::{Secret, SecretBytes};
use mikey_proto::{Event, GroupAnswer, Output, SessionId};
use mikey_sim::{address, provider};

use super::{CLOCK, GC, LISTEN, NEWS, Time, key_of, member_name, name, rtp};

pub struct Spy {
    pub endpoint: Endpoint,
    pub member: Option<Member>,
    pub keys: Option<EpochKeys>,
    pub session: Option<SessionId>,
    pub refused: usize,
    seed: u64,
}

impl Spy {
    pub fn new(n: usize, seed: u64) -> Self {
        let me = member_name(n);
        let mut psks = PskTable::new();
        psks.insert(name(GC), me.clone(), SecretBytes::copy_from(&key_of(&me))).unwrap();
        let mut config = EndpointConfig::new(provider(seed + 99), Identity::new(me));
        config.psks = std::sync::Arc::new(psks);
        config.controllers = vec![(NEWS.to_vec(), name(GC))];
        Self {
            endpoint: Endpoint::new(config).unwrap(),
            member: None,
            keys: None,
            session: None,
            refused: 0,
            seed,
        }
    }

    pub fn join(&mut self, now: Time) {
        let request = GroupRequest { group: NEWS.to_vec(), roles: LISTEN, ssrcs: 0 };
        self.endpoint.connect(now, address(0), &Call::join(name(GC), request)).unwrap();
    }

    pub fn poll_output(&mut self) -> Output {
        loop {
            match self.endpoint.poll_output() {
                Output::Event(Event::GroupAnswered { answer: GroupAnswer::Refused, .. }) => self.refused += 1,
                Output::Event(Event::GroupJoined { session, request, grant, leaf_key, .. }) => {
                    self.session = Some(session);
                    let (now, timing) = (self.endpoint.now(), Timing::default());
                    let provider = provider(self.seed);
                    let mut member = Member::join(&provider, now, request, *grant, leaf_key, timing).unwrap();
                    if let Some(MemberEvent::Epoch(keys)) = member.poll_event() {
                        self.keys = Some(keys);
                    }
                    self.member = Some(member);
                }
                Output::Event(_) => (),
                output => return output,
            }
        }
    }

    fn of(&self, ssrc: u32) -> &SenderKeys {
        self.keys.as_ref().unwrap().senders.iter().find(|sender| sender.ssrc == ssrc).unwrap()
    }

    /// A packet under the very key of that sender; with a chain of the forger's own, if there is a schedule.
    pub fn forge(
        &self,
        now: Time,
        (ssrc, seq): (u32, u16),
        payload: &[u8],
        tesla: Option<TeslaParams>,
    ) -> Vec<u8> {
        let (provider, keys) = (provider(self.seed), self.of(ssrc));
        let epoch = self.keys.as_ref().unwrap().epoch;
        let copy = |secret: &SecretBytes| SecretBytes::copy_from(secret.expose());
        let key = MasterKey::new(copy(&keys.master_key), copy(&keys.master_salt))
            .with_mki(Mki::new(&epoch.to_be_bytes()).unwrap());
        let mut db = ContextDb::new(provider.srtp, DbConfig::new([1, 2]));
        let ssrcs = Ssrcs::These(vec![(Ssrc(ssrc), StartIndex::BEGIN)]);
        let flow = Destination::flow(1);
        let mut install = Install::new(Direction::Outbound, flow, Owner(1), ssrcs, keys.policy, key);
        install.tesla = tesla.is_some();
        let id = db.install(install).unwrap();
        if let Some(params) = tesla {
            let chain =
                KeyChain::generate(provider.sha1, Secret::new([7; KEY_LEN]), params.chain_len).unwrap();
            let clock = SenderClock::new(mikey::srtp::Time(0), CLOCK);
            let sender = TeslaSender::new(clock, params, chain).unwrap();
            db.set_tesla_sender(id, Ssrc(ssrc), sender).unwrap();
        }
        let mut buffer = rtp(ssrc, seq, payload);
        let len = buffer.len();
        buffer.resize(len + 128, 0);
        let at = mikey::srtp::Time(now.as_nanos());
        let len = db.protect_rtp(at, flow, &mut buffer, len).unwrap().len;
        buffer.truncate(len);
        buffer
    }
}
