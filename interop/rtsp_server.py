#!/usr/bin/python3
"""GStreamer's RTSP server over TLS, with SRTP: keys by MIKEY in NULL mode.

    rtsp_server.py CERTIFICATE KEY USER:PASSWORD|- LAUNCH

LAUNCH is a pipeline whose payloader is called pay0. Prints the port and runs until it is killed.
"""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def main():
    certificate, key, login, launch = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service("0")

    auth = GstRtspServer.RTSPAuth.new()
    auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(certificate, key))
    token = GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", "player")
    permissions = GstRtspServer.RTSPPermissions.new()
    permissions.add_permission_for_role("player", "media.factory.access", True)
    permissions.add_permission_for_role("player", "media.factory.construct", True)
    if login == "-":
        auth.set_default_token(token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(*login.split(":"), token)
    server.set_auth(auth)

    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(launch)
    factory.set_profiles(GstRtsp.RTSPProfile.SAVP)
    factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP | GstRtsp.RTSPLowerTrans.TCP)
    factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/live", factory)

    if server.attach(None) == 0:
        sys.exit("cannot listen")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


main()
