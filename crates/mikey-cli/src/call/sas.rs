//! Two people compare a short authentication string: what they see, and what becomes of it.

use mikey::SessionId;
use mikey::keying::Sas;
use serde_json::{Value, json};

use crate::call::console::Console;
use crate::call::describe;
use crate::call::event::{Known, Unverified};
use crate::error::Error;
use crate::ui::Ui;

/// Shows the SAS of a call and asks the person here.
pub(crate) fn ask(ui: Ui, console: &mut Console, session: SessionId, known: &Known, sas: &Sas) {
    ui.text(format_args!(
        "nobody is authenticated yet. Read this to each other, by voice:\n  {sas}   or in words: {}",
        sas.words()
    ));
    ui.json(&shown(session, &known.peer.name.to_string(), sas));
    let peer = &known.peer.name;
    console
        .ask(session, format!("'{peer}', at {}: does the other person read the same, {sas}?", known.remote));
}

/// The SAS for machines.
pub(crate) fn shown(session: SessionId, peer: &str, sas: &Sas) -> Value {
    json!({"event": "sas", "session": session.as_u64(), "peer": peer, "base32": sas.base32(), "words": sas.words()})
}

/// Both people have found it to be the same.
pub(crate) fn verified(ui: Ui, session: SessionId, known: &Known) {
    ui.text(format_args!(
        "both have compared; talking with {}",
        describe::peer(&known.peer, known.role, &known.negotiated)
    ));
    ui.json(&compared(session, known));
}

/// The same for machines.
pub(crate) fn compared(session: SessionId, known: &Known) -> Value {
    json!({"event": "sas_compared", "session": session.as_u64(), "peer": known.peer.name.to_string(),
        "level": describe::level_id(known.peer.level)})
}

/// The tool's error for a call in which it was not found to be the same.
pub(crate) fn failure(known: &Known, why: Unverified) -> Error {
    let peer = &known.peer.name;
    let hint = "somebody may be between you: do not call again over the same network, use certificates or a key instead";
    match why {
        Unverified::Differs => {
            Error::peer_authentication(format!("the other person reads another SAS: this is not '{peer}'"))
                .hint(hint)
        }
        Unverified::PeerSaysDiffers => {
            Error::peer_authentication(format!("the person at '{peer}' reads another SAS than we have"))
                .hint(hint)
        }
        Unverified::PeerLeft => Error::failed("the peer left before both had compared the SAS"),
        Unverified::PeerSilent => {
            Error::failed("the peer stopped answering before both had compared the SAS")
        }
        Unverified::HungUp => Error::failed("stopped before both had compared the SAS"),
    }
}
