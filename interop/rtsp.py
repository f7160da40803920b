#!/usr/bin/python3
"""`mikey rtsp` against GStreamer, over TLS with keys by MIKEY: its RTSP server as the source, its rtspsrc as the player.

    rtsp.py MIKEY WORK

MIKEY is the tool, WORK a directory for files. What arrives is compared octet for octet, over UDP and in the connection.
"""
import os
import random
import re
import subprocess
import sys
import time
import wave

HERE = os.path.dirname(os.path.abspath(__file__))
LOGIN = "camera:s3cret"
PATIENCE = 40


def main():
    mikey, work = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    os.makedirs(work, exist_ok=True)
    os.chdir(work)
    certificate()
    speech = audio()
    video = pictures()
    for transport in ("tcp", "udp"):
        from_gstreamer(mikey, transport, speech, "-")
        to_gstreamer(mikey, transport, speech)
    from_gstreamer(mikey, "tcp", speech, LOGIN)
    wrong_password(mikey, speech)
    l16(mikey)
    video_both_ways(mikey, video)


def run(*command, **options):
    done = subprocess.run(command, timeout=PATIENCE, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done


def certificate():
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3",
        "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")


def audio():
    """A second and a half of mu-law, every octet but 0x7f, which is the same sample as 0xff; and as WAV."""
    values = [octet for octet in range(256) if octet != 0x7F]
    chance = random.Random(4567)
    octets = bytes(chance.choice(values) for _ in range(12_000))
    with open("speech.ul", "wb") as out:
        out.write(octets)
    write_wav("speech.wav", 8000, b"".join(linear(octet).to_bytes(2, "little", signed=True) for octet in octets))
    return octets


def linear(octet):
    """The sample of an octet of mu-law (G.711 table 2a)."""
    octet ^= 0xFF
    magnitude = ((((octet & 0x0F) << 3) + 132) << (octet >> 4 & 7)) - 132
    return -magnitude if octet & 0x80 else magnitude


def write_wav(path, rate, samples):
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples)


def samples(path):
    with wave.open(path, "rb") as wav:
        return wav.getframerate(), wav.readframes(wav.getnframes())


def pictures():
    """Two seconds of a moving picture."""
    path = "film.h264"
    run("gst-launch-1.0", "-q", "videotestsrc", "num-buffers=50", "pattern=ball", "!",
        "video/x-raw,width=320,height=240,framerate=25/1", "!", "openh264enc", "gop-size=10", "!",
        "video/x-h264,stream-format=byte-stream", "!", "h264parse", "!", "filesink", f"location={path}")
    return path


def decoded(path):
    """A digest of each picture."""
    text = run("ffmpeg", "-v", "error", "-f", "h264", "-i", path, "-f", "framemd5", "-").stdout
    return [line.split(",")[-1].strip() for line in text.splitlines() if not line.startswith("#")]


class Running:
    """A process with its first lines of output, which is ended with the test."""

    def __init__(self, command, first):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = [self.process.stdout.readline().strip() for _ in range(first)]
        if not all(self.lines):
            sys.exit(f"{' '.join(command)}\n{self.process.communicate(timeout=5)[1]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def source(launch, login):
    """GStreamer's server; it runs until it is killed."""
    return Running(["/usr/bin/python3", f"{HERE}/rtsp_server.py", "server.pem", "server.key", login, launch], 1)


def mulaw():
    return (f"( filesrc location={os.getcwd()}/speech.ul ! rawaudioparse use-sink-caps=false format=mulaw "
            "sample-rate=8000 num-channels=1 ! rtppcmupay name=pay0 pt=0 )")


def play(mikey, port, login, *more):
    user = "" if login == "-" else f"{login}@"
    url = f"rtsps://{user}127.0.0.1:{port}/live"
    return run(mikey, "rtsp", "play", url, "--ca", "server.pem", "--timeout", "5", *more)


def from_gstreamer(mikey, transport, speech, login):
    with source(mulaw(), login) as server:
        done = play(mikey, server.lines[0], login, "--transport", transport, "--out", "in")
    same(samples("in-0.wav"), samples("speech.wav"), "speech")
    summary = re.search(r"(\d+) packets received, 0 lost, 0 refused", done.stdout)
    if not summary or "MIKEY NULL, AES_CM_128_HMAC_SHA1_80" not in done.stdout:
        sys.exit(f"the summary: {done.stdout}")
    how = "" if login == "-" else ", digest authentication"
    say("GStreamer's server -> mikey", f"PCMU over {transport}{how}", f"{summary[1]} packets, {len(speech)} octets the same")


def serve(mikey, path, *more):
    return Running([mikey, "rtsp", "serve", path, "--bind", "127.0.0.1:0", "--cert", "server.pem", "--key", "server.key", *more], 2)


def received(url, transport, *rest):
    run("gst-launch-1.0", "-q", "rtspsrc", f"location={url}", f"protocols={transport}", "tls-validation-flags=0",
        "latency=300", "!", *rest)


def to_gstreamer(mikey, transport, speech):
    with serve(mikey, "speech.wav") as server:
        url = server.lines[0].split()[1]
        # Several at once, each with keys of its own.
        others = [subprocess.Popen([mikey, "rtsp", "play", url, "--ca", "server.pem", "--out", f"other{n}"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE) for n in range(2)]
        received(url, transport, "rtppcmudepay", "!", "filesink", "location=out.ul")
        for n, other in enumerate(others):
            if other.wait(timeout=PATIENCE) != 0:
                sys.exit(other.stderr.read().decode())
            same(samples(f"other{n}-0.wav"), samples("speech.wav"), "speech of another client")
            other.communicate()
    with open("out.ul", "rb") as out:
        same(out.read(), speech, "speech")
    say("mikey -> rtspsrc", f"PCMU over {transport}", f"{len(speech)} octets the same, two other clients")


def wrong_password(mikey, _):
    with source(mulaw(), LOGIN) as server:
        url = f"rtsps://camera:wrong@127.0.0.1:{server.lines[0]}/live"
        done = subprocess.run([mikey, "rtsp", "play", url, "--ca", "server.pem"], timeout=PATIENCE, capture_output=True, text=True)
    if done.returncode != 3 or "401" not in done.stderr or "wrong" in done.stderr:
        sys.exit(f"a wrong password: {done.returncode} {done.stderr}")
    say("GStreamer's server -> mikey", "a wrong password", "refused, exit code 3")


def l16(mikey):
    """Samples of 16 bits at another rate, both ways."""
    chance = random.Random(16)
    write_wav("wide.wav", 32_000, bytes(chance.randrange(256) for _ in range(64_000)))
    launch = (f"( filesrc location={os.getcwd()}/wide.wav ! wavparse ! audioconvert dithering=none ! "
              "audio/x-raw,format=S16BE ! rtpL16pay name=pay0 pt=97 )")
    with source(launch, "-") as server:
        play(mikey, server.lines[0], "-", "--out", "wide-in")
    same(samples("wide-in-0.wav"), samples("wide.wav"), "samples")
    with serve(mikey, "wide.wav", "--codec", "l16") as server:
        received(server.lines[0].split()[1], "tcp", "rtpL16depay", "!", "filesink", "location=wide.raw")
    with open("wide.raw", "rb") as raw:
        big = raw.read()
    little = b"".join(big[at + 1:at + 2] + big[at:at + 1] for at in range(0, len(big), 2))
    same(little, samples("wide.wav")[1], "samples")
    say("both ways", "L16 at 32000 Hz", f"{len(little) // 2} samples the same")


def video_both_ways(mikey, film):
    pictures_of = decoded(film)
    launch = f"( filesrc location={os.getcwd()}/{film} ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
    with source(launch, "-") as server:
        play(mikey, server.lines[0], "-", "--out", "film-in")
    same(decoded("film-in-0.h264"), pictures_of, "pictures")
    with serve(mikey, film) as server:
        received(server.lines[0].split()[1], "tcp", "rtph264depay", "!", "video/x-h264,stream-format=byte-stream", "!",
                 "filesink", "location=film-out.h264")
    same(decoded("film-out.h264"), pictures_of, "pictures")
    say("both ways", "H.264", f"{len(pictures_of)} pictures the same")


def same(got, wanted, what):
    if got != wanted:
        size = len(got) if isinstance(got, (bytes, list)) else (got[0], len(got[1]))
        sys.exit(f"{what}: not what was sent; {size} came")


def say(who, what, result):
    print(f"{who:28} {what:44} {result}", flush=True)


started = time.monotonic()
main()
print(f"RTSP with GStreamer: all the same, in {time.monotonic() - started:.0f} s")
