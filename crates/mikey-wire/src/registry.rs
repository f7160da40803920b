//! Every number on the wire, as a newtype that can hold values nobody has assigned (RFC 3830 section 6 and
//! its extensions; numbers that no RFC assigns are of version 2 only).

macro_rules! code_points {
    ($(#[$doc:meta])* $name:ident($int:ty) {
        $($(#[$item:meta])* $known:ident = $value:literal $text:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(
            /// The number as it stands on the wire.
            pub $int,
        );

        impl $name {
            $($(#[$item])* #[doc = concat!($text, " (", stringify!($value), ").")]
            pub const $known: Self = Self($value);)+

            /// Name and number of every assigned value, in the order of this registry.
            pub const NAMES: &'static [(&'static str, Self)] = &[$(($text, Self($value))),+];

            /// The name that the registry gives this value, if it is assigned.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)+
                    _ => None,
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}({})", stringify!($name), self.0),
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}", self.0),
                }
            }
        }
    };
}

code_points! {
    /// HDR data type (RFC 3830 6.1; RFC 4650, 4738, 6043, 6267, 6509; 40 to 52 are of version 2).
    DataType(u8) {
        PSK_INIT = 0 "PSK init",
        PSK_VERIFY = 1 "PSK verification",
        PK_INIT = 2 "PK init",
        PK_VERIFY = 3 "PK verification",
        DH_INIT = 4 "DH init",
        DH_RESP = 5 "DH resp",
        ERROR = 6 "ERROR",
        DHHMAC_INIT = 7 "DHHMAC init",
        DHHMAC_RESP = 8 "DHHMAC resp",
        RSA_R_INIT = 9 "RSA-R I_MSG",
        RSA_R_RESP = 10 "RSA-R R_MSG",
        REQUEST_INIT_PSK = 11 "REQUEST_INIT_PSK",
        REQUEST_INIT_PK = 12 "REQUEST_INIT_PK",
        REQUEST_RESP = 13 "REQUEST_RESP",
        TRANSFER_INIT = 14 "TRANSFER_INIT",
        TRANSFER_RESP = 15 "TRANSFER_RESP",
        RESOLVE_INIT_PSK = 16 "RESOLVE_INIT_PSK",
        RESOLVE_INIT_PK = 17 "RESOLVE_INIT_PK",
        RESOLVE_RESP = 18 "RESOLVE_RESP",
        REQUEST_KEY_PSK = 19 "REQUEST_KEY_PSK",
        REQUEST_KEY_PKE = 20 "REQUEST_KEY_PKE",
        REQUEST_KEY_RESP = 21 "REQUEST_KEY_RESP",
        I_MESSAGE_1 = 22 "I_MESSAGE_1",
        R_MESSAGE_1 = 23 "R_MESSAGE_1",
        I_MESSAGE_2 = 24 "I_MESSAGE_2",
        R_MESSAGE_2 = 25 "R_MESSAGE_2",
        SAKKE = 26 "SAKKE msg",
        INIT_REQ = 40 "INIT_REQ",
        INIT_RESP = 41 "INIT_RESP",
        CCE_REQ = 42 "CCE_REQ",
        CCE_RESP = 43 "CCE_RESP",
        CCE2_REQ = 44 "CCE2_REQ",
        CCE2_RESP = 45 "CCE2_RESP",
        REKEY_REQ = 46 "REKEY_REQ",
        REKEY_RESP = 47 "REKEY_RESP",
        INFO_REQ = 48 "INFO_REQ",
        INFO_RESP = 49 "INFO_RESP",
        RESUME_REQ = 50 "RESUME_REQ",
        RESUME_RESP = 51 "RESUME_RESP",
        GROUP_REKEY = 52 "GROUP_REKEY",
    }
}

code_points! {
    /// Next payload (RFC 3830 6.1; RFC 6043 6.1, RFC 6267 6.1, RFC 6509 4.1; 40 to 42 are of version 2).
    PayloadType(u8) {
        LAST = 0 "Last payload",
        KEMAC = 1 "KEMAC",
        PKE = 2 "PKE",
        DH = 3 "DH",
        SIGN = 4 "SIGN",
        T = 5 "T",
        ID = 6 "ID",
        CERT = 7 "CERT",
        CHASH = 8 "CHASH",
        V = 9 "V",
        SP = 10 "SP",
        RAND = 11 "RAND",
        ERR = 12 "ERR",
        TR = 13 "TR",
        IDR = 14 "IDR",
        RANDR = 15 "RANDR",
        TP = 16 "TP",
        TICKET = 17 "TICKET",
        KEY_DATA = 20 "Key data",
        EXT = 21 "General Ext.",
        IBAKE = 22 "IBAKE",
        ESK = 23 "ESK",
        SK = 24 "SK",
        ECCPT = 25 "ECCPT",
        SAKKE = 26 "SAKKE",
        AUTH = 40 "AUTH",
        CERTREQ = 41 "CERTREQ",
        GCC_REQ = 42 "GCC-REQ",
    }
}

code_points! {
    /// CS ID map type (RFC 3830 6.1, RFC 4563 5, RFC 6043 6.1).
    MapType(u8) {
        SRTP_ID = 0 "SRTP-ID",
        EMPTY = 1 "Empty map",
        GENERIC_ID = 2 "GENERIC-ID",
    }
}

code_points! {
    /// PRF func of HDR (RFC 3830 6.1, RFC 6043 6.1; 2 is of version 2). Version 2's M-SP uses the same numbers.
    PrfFunc(u8) {
        MIKEY_1 = 0 "MIKEY-1",
        HMAC_SHA_256 = 1 "PRF-HMAC-SHA-256",
        HMAC_SHA_384 = 2 "PRF-HMAC-SHA-384",
    }
}

code_points! {
    /// Encr alg of KEMAC (RFC 3830 6.2, RFC 6043 6.2; from 64 of version 2).
    EncrAlg(u8) {
        NULL = 0 "NULL",
        AES_CM_128 = 1 "AES-CM-128",
        AES_KW_128 = 2 "AES-KW-128",
        AES_CM_256 = 3 "AES-CM-256",
        AEAD_AES_128_GCM = 64 "AEAD-AES-128-GCM",
        AEAD_AES_256_GCM = 65 "AEAD-AES-256-GCM",
        AEAD_CHACHA20_POLY1305 = 66 "AEAD-CHACHA20-POLY1305",
    }
}

code_points! {
    /// MAC alg of KEMAC and Auth alg of V (RFC 3830 6.2, RFC 6043 6.2; from 64 of version 2).
    MacAlg(u8) {
        NULL = 0 "NULL",
        HMAC_SHA_1_160 = 1 "HMAC-SHA-1-160",
        HMAC_SHA_256_256 = 2 "HMAC-SHA-256-256",
        AEAD_TAG = 64 "AEAD tag",
        HMAC_SHA_384_384 = 65 "HMAC-SHA-384-384",
    }
}

code_points! {
    /// C field of PKE (RFC 3830 6.3), two bits.
    PkeCache(u8) {
        NO_CACHE = 0 "No cache",
        CACHE = 1 "Cache",
        CACHE_FOR_CSB = 2 "Cache for CSB",
    }
}

code_points! {
    /// DH-Group (RFC 3830 6.4 in version 1; IKEv2's numbers and 236 in version 2).
    DhGroup(u8) {
        OAKLEY_5 = 0 "OAKLEY 5",
        OAKLEY_1 = 1 "OAKLEY 1",
        OAKLEY_2 = 2 "OAKLEY 2",
        MODP_2048 = 14 "MODP-2048",
        MODP_3072 = 15 "MODP-3072",
        P_256 = 19 "P-256",
        P_384 = 20 "P-384",
        X25519 = 31 "X25519",
        X25519_ML_KEM_768 = 236 "X25519+ML-KEM-768",
    }
}

code_points! {
    /// S type of SIGN (RFC 3830 6.5, RFC 6509 4.3), four bits.
    SignAlg(u8) {
        RSA_PKCS1 = 0 "RSA/PKCS#1/1.5",
        RSA_PSS = 1 "RSA/PSS",
        ECCSI = 2 "ECCSI",
    }
}

code_points! {
    /// TS type of T (RFC 3830 6.6, RFC 6043 6.3).
    TsType(u8) {
        NTP_UTC = 0 "NTP-UTC",
        NTP = 1 "NTP",
        COUNTER = 2 "COUNTER",
        NTP_UTC_32 = 3 "NTP-UTC-32",
    }
}

code_points! {
    /// TS Role of TR (RFC 6043 6.4).
    TsRole(u8) {
        ISSUE = 1 "TRi",
        START = 2 "TRs",
        END = 3 "TRe",
        REKEYING = 4 "TRr",
    }
}

code_points! {
    /// ID type (RFC 3830 6.7, RFC 6043 6.5).
    IdType(u8) {
        NAI = 0 "NAI",
        URI = 1 "URI",
        BYTES = 2 "Byte string",
    }
}

code_points! {
    /// ID Role of IDR (RFC 6043 6.6, RFC 6509 4.4).
    IdRole(u8) {
        INITIATOR = 1 "IDRi",
        RESPONDER = 2 "IDRr",
        KMS = 3 "IDRkms",
        PSK = 4 "IDRpsk",
        APPLICATION = 5 "IDRapp",
        KMS_INITIATOR = 6 "IDRkmsi",
        KMS_RESPONDER = 7 "IDRkmsr",
    }
}

code_points! {
    /// RAND Role of RANDR (RFC 6043 6.8).
    RandRole(u8) {
        INITIATOR = 1 "RANDRi",
        RESPONDER = 2 "RANDRr",
        KMS = 3 "RANDRkms",
    }
}

code_points! {
    /// Cert type (RFC 3830 6.7).
    CertType(u8) {
        X509 = 0 "X.509v3",
        X509_URL = 1 "X.509v3 URL",
        X509_SIGN = 2 "X.509v3 Sign",
        X509_ENCR = 3 "X.509v3 Encr",
    }
}

code_points! {
    /// Hash func of CHASH (RFC 3830 6.8, RFC 6043 6.7).
    HashFunc(u8) {
        SHA_1 = 0 "SHA-1",
        MD5 = 1 "MD5",
        SHA_256 = 2 "SHA-256",
    }
}

code_points! {
    /// Prot type of SP and of a GENERIC-ID block (RFC 3830 6.10, RFC 4442 4.1; 64 is of version 2).
    ProtType(u8) {
        SRTP = 0 "SRTP",
        TESLA = 1 "TESLA",
        M_SP = 64 "M-SP",
    }
}

code_points! {
    /// Policy parameters of Prot type SRTP (RFC 3830 6.10.1; RFC 4771 4, RFC 7714 14.3).
    SrtpParam(u8) {
        ENCR_ALG = 0 "Encryption algorithm",
        ENCR_KEY_LEN = 1 "Session encr. key length",
        AUTH_ALG = 2 "Authentication algorithm",
        AUTH_KEY_LEN = 3 "Session auth. key length",
        SALT_KEY_LEN = 4 "Session salt key length",
        PRF = 5 "SRTP pseudo random function",
        KEY_DERIVATION_RATE = 6 "Key derivation rate",
        SRTP_ENCR = 7 "SRTP encryption off/on",
        SRTCP_ENCR = 8 "SRTCP encryption off/on",
        FEC_ORDER = 9 "Sender's FEC order",
        SRTP_AUTH = 10 "SRTP authentication off/on",
        AUTH_TAG_LEN = 11 "Authentication tag length",
        PREFIX_LEN = 12 "SRTP prefix length",
        ROC_RATE = 13 "ROC transmission rate",
        SRTP_AUTH_ALG = 14 "SRTP auth. algorithm",
        SRTCP_AUTH_ALG = 15 "SRTCP auth. algorithm",
        SRTP_AUTH_KEY_LEN = 16 "SRTP session auth. key length",
        SRTCP_AUTH_KEY_LEN = 17 "SRTCP session auth. key length",
        SRTP_AUTH_TAG_LEN = 18 "SRTP authentication tag length",
        SRTCP_AUTH_TAG_LEN = 19 "SRTCP authentication tag length",
        AEAD_TAG_LEN = 20 "AEAD authentication tag length",
    }
}

code_points! {
    /// Values of [`SrtpParam::ENCR_ALG`] (RFC 3830 6.10.1, RFC 5748 2.1, RFC 7714 14.3).
    SrtpEncr(u8) {
        NULL = 0 "NULL",
        AES_CM = 1 "AES-CM",
        AES_F8 = 2 "AES-F8",
        SEED_CTR = 3 "SEED-CTR",
        SEED_CCM = 4 "SEED-CCM",
        SEED_GCM = 5 "SEED-GCM",
        AES_GCM = 6 "AES-GCM",
    }
}

code_points! {
    /// Values of [`SrtpParam::AUTH_ALG`] (RFC 3830 6.10.1, RFC 4771 4).
    SrtpAuth(u8) {
        NULL = 0 "NULL",
        HMAC_SHA_1 = 1 "HMAC-SHA-1",
        RCC_M1 = 2 "RCCm1",
        RCC_M2 = 3 "RCCm2",
        RCC_M3 = 4 "RCCm3",
    }
}

code_points! {
    /// Values of [`TeslaParam::PRF`] (RFC 4442 4.2).
    TeslaPrf(u8) {
        HMAC_SHA_1 = 0 "HMAC-SHA1",
    }
}

code_points! {
    /// Values of [`TeslaParam::MAC`] (RFC 4442 4.2).
    TeslaMac(u8) {
        HMAC_SHA_1 = 0 "HMAC-SHA1",
    }
}

code_points! {
    /// Policy parameters of Prot type TESLA (RFC 4442 4.2; 10 is of version 2).
    TeslaParam(u8) {
        PRF = 1 "PRF identifier",
        PRF_LEN = 2 "Length of PRF f' output",
        MAC = 3 "TESLA MAC identifier",
        MAC_LEN = 4 "Length of TESLA MAC output",
        START = 5 "Start of session",
        INTERVAL = 6 "Interval duration",
        DISCLOSURE_DELAY = 7 "Key disclosure delay",
        CHAIN_LEN = 8 "Key chain length",
        RECEIVER_TIME = 9 "Local timestamp media receiver",
        /// Version 2 alone.
        ANSWER_TIME = 10 "Local timestamp of the answer",
    }
}

code_points! {
    /// Error no of ERR (RFC 3830 6.12, RFC 4738 3.9.2, RFC 6043 6.9; from 64 of version 2).
    ErrorNo(u8) {
        AUTH_FAILURE = 0 "Auth failure",
        INVALID_TS = 1 "Invalid TS",
        INVALID_PRF = 2 "Invalid PRF",
        INVALID_MAC = 3 "Invalid MAC",
        INVALID_EA = 4 "Invalid EA",
        INVALID_HA = 5 "Invalid HA",
        INVALID_DH = 6 "Invalid DH",
        INVALID_ID = 7 "Invalid ID",
        INVALID_CERT = 8 "Invalid Cert",
        INVALID_SP = 9 "Invalid SP",
        INVALID_SP_PAR = 10 "Invalid SPpar",
        INVALID_DT = 11 "Invalid DT",
        UNSPECIFIED = 12 "Unspecified error",
        UNSUPPORTED_MESSAGE = 13 "Unsupported message type",
        INVALID_TICKET = 14 "Invalid TICKET",
        INVALID_TP_PAR = 15 "Invalid TPpar",
        COOKIE_REQUIRED = 64 "Cookie required",
        VERSION_NOT_SUPPORTED = 65 "Version not supported",
    }
}

code_points! {
    /// Type of Key data (RFC 3830 6.13, RFC 6043 6.2.1; 7 is of version 2), four bits.
    KeyType(u8) {
        TGK = 0 "TGK",
        TGK_SALT = 1 "TGK+SALT",
        TEK = 2 "TEK",
        TEK_SALT = 3 "TEK+SALT",
        GTGK = 4 "GTGK",
        GTGK_SALT = 5 "GTGK+SALT",
        MPK = 6 "MPK",
        KEK = 7 "KEK",
    }
}

code_points! {
    /// KV of Key data and DH (RFC 3830 6.13), four bits.
    KvType(u8) {
        NULL = 0 "Null",
        SPI = 1 "SPI",
        INTERVAL = 2 "Interval",
    }
}

code_points! {
    /// Type of a General Extension (RFC 3830 6.15, RFC 4442, 4563, 4738, 5410; from 64 of version 2).
    ExtType(u8) {
        VENDOR_ID = 0 "Vendor ID",
        SDP_IDS = 1 "SDP IDs",
        TESLA_KEY = 2 "TESLA I-Key",
        KEY_ID = 3 "Key ID",
        CSB_ID = 4 "CSB_ID",
        OMA_BCAST = 5 "OMA BCAST",
        SESSION = 64 "SESSION",
        COOKIE = 65 "COOKIE",
        FRAGMENT = 66 "FRAGMENT",
        SAS_COMMIT = 67 "SAS-COMMIT",
        SAS_REVEAL = 68 "SAS-REVEAL",
        RESUME_TICKET = 69 "RESUME-TICKET",
        NOTIFY = 70 "NOTIFY",
        SDP_BINDING = 71 "SDP-BINDING",
        GROUP = 72 "GROUP",
        HASH = 73 "HASH",
        SENDERS = 74 "SENDERS",
    }
}

impl ExtType {
    /// Whether version 2 rejects a message that carries this type unknown (64 to 127).
    // R4.4
    #[must_use]
    pub const fn must_be_understood(self) -> bool {
        matches!(self.0, 64..=127)
    }
}

code_points! {
    /// Key ID Type inside the Key ID extension (RFC 4563 4; 64 is of version 2).
    KeyIdType(u8) {
        MBMS_DOMAIN = 0 "MBMS Key Domain ID",
        MBMS_SERVICE = 1 "MBMS Service Key ID",
        MBMS_TRAFFIC = 2 "MBMS Traffic Key ID",
        TREE_NODE = 64 "key tree node",
    }
}

code_points! {
    /// Parameters of M-SP, version 2's negotiation.
    MspParam(u8) {
        EXCH = 0 "EXCH",
        PRF = 1 "PRF",
        DH_GROUP = 2 "DH group",
        SUITE = 3 "protection suite",
        MY_AUTH = 4 "my authentication methods",
        PEER_AUTH = 5 "methods that I accept",
        CREDENTIALS = 6 "credential kinds that I accept",
        CONFIDENTIALITY = 7 "confidentiality of CCE",
        LONGEST = 8 "longest message",
        RESUMPTION = 9 "resumption",
    }
}

code_points! {
    /// Values of [`MspParam::EXCH`]: the second exchange.
    Exch(u8) {
        CCE = 1 "CCE",
        CCE2_PSK = 2 "CCE2-PSK",
        CCE2_RSA = 3 "CCE2-RSA",
    }
}

code_points! {
    /// Method of AUTH, and values of [`MspParam::MY_AUTH`] and [`MspParam::PEER_AUTH`] (version 2).
    AuthMethod(u8) {
        RSA_PSS_SHA_256 = 1 "RSASSA-PSS-SHA-256",
        ECDSA_P256 = 2 "ECDSA-P256-SHA-256",
        ECDSA_P384 = 3 "ECDSA-P384-SHA-384",
        ED25519 = 4 "Ed25519",
        PSK = 5 "PSK",
        SAS = 6 "SAS",
        RSA_OAEP = 7 "RSA-OAEP decryption",
    }
}

code_points! {
    /// Code of NOTIFY (version 2).
    NotifyCode(u16) {
        DELETE = 1 "DELETE",
        PATH_CHECK = 2 "PATH-CHECK",
        PATH_OK = 3 "PATH-OK",
        SAS_VERIFIED = 4 "SAS-VERIFIED",
        TICKET_REQUEST = 5 "TICKET-REQUEST",
        GROUP_PULL = 6 "GROUP-PULL",
        GROUP_LEAVE = 7 "GROUP-LEAVE",
        UNSUPPORTED = 8 "UNSUPPORTED",
    }
}

code_points! {
    /// Type of an item of SDP-BINDING (version 2).
    SdpBindingType(u8) {
        SENDER_TLS_ID = 1 "sender's tls-id",
        RECEIVER_TLS_ID = 2 "receiver's tls-id",
        IDENTITY_HASH = 3 "hash of the identity assertion",
    }
}
