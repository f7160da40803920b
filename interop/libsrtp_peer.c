/*
 * libsrtp2 behind a line protocol, so that tests and benches can drive it as a child process.
 *
 *   new PROFILE KEY MKI SSRC    a session for one SSRC, for sending and receiving; MKI "-" for none -> ok
 *   roc SSRC ROC                sets a stream's rollover counter                                  -> ok
 *   p HEX, pc HEX               protects an RTP or RTCP packet                                    -> HEX
 *   u HEX, uc HEX               unprotects one                                                    -> HEX
 *   bench-p HEX COUNT           protects it COUNT times, SEQ counting up          -> nanoseconds of processor time
 *   bench-u COUNT HEX...        unprotects the packets, in turn, COUNT times; each turn's session and copies of the
 *                               packets are made before its time counts
 *
 * An error answers "error N" with libsrtp's status.
 */
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE (4 << 20)
#define PACKET 70000

static srtp_t session;
static srtp_policy_t policy;
static srtp_master_key_t key;
static srtp_master_key_t *keys[1] = { &key };
static unsigned char key_octets[64], mki_octets[255];
static int with_mki;

static int unhex(const char *text, unsigned char *out, int room)
{
    int len = 0;
    for (; text[0] && text[1] && len < room; text += 2) {
        unsigned value;
        if (sscanf(text, "%2x", &value) != 1)
            return -1;
        out[len++] = (unsigned char)value;
    }
    return len;
}

static void hex(const unsigned char *octets, int len)
{
    for (int i = 0; i < len; i++)
        printf("%02x", octets[i]);
    printf("\n");
}

static void answer(int status)
{
    if (status == 0)
        printf("ok\n");
    else
        printf("error %d\n", status);
}

static int profile(const char *name, srtp_policy_t *p)
{
    struct {
        const char *name;
        void (*rtp)(srtp_crypto_policy_t *);
        void (*rtcp)(srtp_crypto_policy_t *);
    } all[] = {
        { "aes-cm-128-80", srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtp_default },
        { "aes-cm-128-32", srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32, srtp_crypto_policy_set_rtp_default },
        { "aes-cm-192-80", srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80, srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80 },
        { "aes-cm-192-32", srtp_crypto_policy_set_aes_cm_192_hmac_sha1_32, srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80 },
        { "aes-cm-256-80", srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80 },
        { "aes-cm-256-32", srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80 },
        { "null-80", srtp_crypto_policy_set_null_cipher_hmac_sha1_80, srtp_crypto_policy_set_null_cipher_hmac_sha1_80 },
        { "gcm-128", srtp_crypto_policy_set_aes_gcm_128_16_auth, srtp_crypto_policy_set_aes_gcm_128_16_auth },
        { "gcm-256", srtp_crypto_policy_set_aes_gcm_256_16_auth, srtp_crypto_policy_set_aes_gcm_256_16_auth },
    };
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0) {
            all[i].rtp(&p->rtp);
            all[i].rtcp(&p->rtcp);
            return 0;
        }
    return -1;
}

static int renew(void)
{
    if (session)
        srtp_dealloc(session);
    session = NULL;
    return srtp_create(&session, &policy);
}

static void create(char *arguments)
{
    char *name = strtok(arguments, " "), *secret = strtok(NULL, " "), *mki = strtok(NULL, " "), *ssrc = strtok(NULL, " ");
    memset(&policy, 0, sizeof policy);
    if (!ssrc || profile(name, &policy) != 0 || unhex(secret, key_octets, sizeof key_octets) < 0) {
        printf("error -1\n");
        return;
    }
    with_mki = strcmp(mki, "-") != 0;
    key.key = key_octets;
    key.mki_id = mki_octets;
    key.mki_size = with_mki ? (unsigned)unhex(mki, mki_octets, sizeof mki_octets) : 0;
    if (with_mki) {
        policy.keys = keys;
        policy.num_master_keys = 1;
    } else {
        policy.key = key_octets;
    }
    policy.ssrc.type = ssrc_specific;
    policy.ssrc.value = (unsigned)strtoul(ssrc, NULL, 16);
    policy.window_size = 128;
    answer(renew());
}

static int protect(unsigned char *packet, int *len, int rtcp)
{
    return rtcp ? srtp_protect_rtcp_mki(session, packet, len, (unsigned)with_mki, 0)
                : srtp_protect_mki(session, packet, len, (unsigned)with_mki, 0);
}

static int unprotect(unsigned char *packet, int *len, int rtcp)
{
    return rtcp ? srtp_unprotect_rtcp_mki(session, packet, len, (unsigned)with_mki)
                : srtp_unprotect_mki(session, packet, len, (unsigned)with_mki);
}

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static unsigned bench_seq;

static void bench_protect(char *arguments)
{
    static unsigned char packet[PACKET];
    char *text = strtok(arguments, " "), *number = strtok(NULL, " ");
    long count = number ? atol(number) : 0;
    int size = text ? unhex(text, packet, PACKET - 512) : -1, status = size < 12;
    long long start = now();
    for (long i = 0; i < count && !status; i++) {
        int len = size;
        bench_seq++;
        packet[2] = (unsigned char)(bench_seq >> 8);
        packet[3] = (unsigned char)bench_seq;
        status = protect(packet, &len, 0);
    }
    long long took = now() - start;
    if (status)
        answer(status);
    else
        printf("%lld\n", took);
}

static void bench_unprotect(char *arguments)
{
    enum { MOST = 16384 };
    static unsigned char *packets[MOST], *copies[MOST];
    static int lens[MOST];
    static unsigned char packet[PACKET];
    static int held;
    char *number = strtok(arguments, " "), *text;
    long count = number ? atol(number) : 0;
    int fresh = 0, status = 0;
    while ((text = strtok(NULL, " \n")) && fresh < MOST) {
        int len = unhex(text, packet, PACKET);
        packets[fresh] = malloc((size_t)len);
        copies[fresh] = malloc((size_t)len);
        memcpy(packets[fresh], packet, (size_t)len);
        lens[fresh++] = len;
    }
    if (fresh)
        held = fresh;
    long long took = 0;
    for (long left = count; left > 0 && !status && held;) {
        long turn = left < held ? left : held;
        for (long i = 0; i < turn; i++)
            memcpy(copies[i], packets[i], (size_t)lens[i]);
        status = renew();
        long long start = now();
        for (long i = 0; i < turn && !status; i++) {
            int len = lens[i];
            status = unprotect(copies[i], &len, 0);
        }
        took += now() - start;
        left -= turn;
    }
    if (status)
        answer(status);
    else
        printf("%lld\n", took);
}

int main(void)
{
    char *line = malloc(LINE);
    static unsigned char packet[PACKET];
    if (!line || srtp_init() != srtp_err_status_ok)
        return 1;
    while (fgets(line, LINE, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *arguments = strchr(line, ' ');
        if (arguments)
            *arguments++ = 0;
        else
            arguments = line + strlen(line);
        int rtcp = line[1] == 'c', len, status;
        if (strcmp(line, "new") == 0) {
            create(arguments);
        } else if (strcmp(line, "roc") == 0) {
            unsigned ssrc, roc;
            if (sscanf(arguments, "%x %u", &ssrc, &roc) == 2)
                answer(srtp_set_stream_roc(session, ssrc, roc));
            else
                answer(-1);
        } else if (strcmp(line, "bench-p") == 0) {
            bench_protect(arguments);
        } else if (strcmp(line, "bench-u") == 0) {
            bench_unprotect(arguments);
        } else if ((line[0] == 'p' || line[0] == 'u') && (len = unhex(arguments, packet, PACKET - 512)) >= 0) {
            status = line[0] == 'p' ? protect(packet, &len, rtcp) : unprotect(packet, &len, rtcp);
            if (status)
                answer(status);
            else
                hex(packet, len);
        } else {
            answer(-1);
        }
        fflush(stdout);
    }
    return 0;
}
