# ruff: noqa: E501 - tables
"""URLs that lead inside, one way or another (``spec/engineering.md`` 5.4, SSRF). Each must be refused."""

from __future__ import annotations

_V4 = (
    "127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255",
    "100.64.0.1", "100.127.255.254", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1",
    "172.31.255.254", "192.0.0.1", "192.0.0.192", "168.63.129.16", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1",
    "198.19.255.254", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255",
)  # fmt: skip
_V6 = (
    "::1", "::", "0:0:0:0:0:0:0:1", "fe80::1", "fe80::a9fe:a9fe", "fec0::1", "fc00::1", "fd00::1", "fd00:ec2::254",
    "ff02::1", "ff0e::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe", "::ffff:8.8.8.8", "::127.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1",
    "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::", "2001::1", "2001:0:4136:e378::1",
    "2001:db8::1", "2001:10::1", "3fff::1", "5f00::1", "100::1", "fe80::1%25eth0", "fe80::1%eth0", "::1%25lo",
    "0000:0000:0000:0000:0000:ffff:7f00:0001",
)  # fmt: skip
_NUMBERS = (
    "2130706433", "017700000001", "0x7f000001", "0x7F.0x0.0x0.0x1", "0177.0.0.1", "127.1", "127.0.1", "0",
    "0x0", "00", "3232235521", "0xc0a80001", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518",
    "169.16689662", "010.0.0.1", "127.0.0.01", "0x7f.1", "127.0x1", "1.2.3.4.5", "256.1.1.1", "127.0.0.1.",
    "２１３０７０６４３３", "１２７.０.０.１", "127。0。0。1", "①②⑦.⓪.⓪.①", "0x", "0x7f.0.0.0x", "999999999999",
    "4294967296", "8.8.8.8.8", "1.1", "0300.0250.0.1", "0xC0.0xA8.0.1",
)  # fmt: skip
_NAMES = (
    "localhost", "LOCALHOST", "localhost.", "foo.localhost", "localhost.localdomain", "ip6-localhost", "router",
    "intranet", "metadata", "instance-data", "metadata.google.internal", "metadata.google.internal.",
    "redis", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "printer.local", "nas.lan",
    "box.home", "gw.home.arpa", "db.corp", "db.internal", "wiki.intranet", "consul.service.consul", "a.test",
    "a.example", "a.invalid", "hidden.onion", "1.0.0.127.in-addr.arpa", "127.0.0.1.nip.io", "10-0-0-1.sslip.io",
    "7f000001.nip.io", "a.127.0.0.1.xip.io", "localtest.me", "x.localtest.me", "lvh.me", "vcap.me",
    "7f000001.c0a80001.rbndr.us", "make-127-0-0-1-rr.1u.ms", "local.gd", "ｌｏｃａｌｈｏｓｔ", "lOcAlHoSt",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "localhost。", "metadata．google．internal", "metadata.tencentyun.com",
    "metadata.platformequinix.com", "metadata.packet.net", "fritz.box", "my.router", "speedport.ip", "tplinkwifi.net",
    "router.asus.com", "fuf.me", "localho.st", "a.localhost.direct", "10-0-0-1.local-ip.co", "127-0-0-1.backname.io",
)  # fmt: skip
_SCHEMES = (
    "file:///etc/passwd", "file://localhost/etc/passwd", "FILE:///etc/passwd", "gopher://example.org/_x",
    "ftp://example.org/a", "dict://example.org:11211/", "ldap://example.org/", "tftp://example.org/a",
    "sftp://example.org/", "ssh://example.org/", "telnet://example.org/", "smb://example.org/share",
    "jar:http://example.org!/", "data:text/plain,hello", "javascript:alert(1)", "mailto:a@example.org",
    "ws://example.org/", "wss://example.org/", "unix:///run/redis.sock", "http+unix://%2Frun%2Fdocker.sock/info",
    "redis://example.org/", "view-source:http://example.org/", "blob:https://example.org/1", "about:blank",
    "php://filter/resource=/etc/passwd", "netdoc:///etc/passwd", "phar://a", "attachment://a.png",
)  # fmt: skip
_SHAPES = (
    "", " ", "http://", "https://", "http:///", "http:///etc/passwd", "//example.org/a", "/etc/passwd",
    "example.org/a", "http:example.org", "http:/example.org", "https:\\\\example.org\\a", "http://exa mple.org/",
    "http://example.org/a b", "http://example.org/\r\nX: y", "http://example.org\t/", "http://example.org/\x00",
    "http://example.org\x00.evil.org/", "http://ex\u00adample.org/", "http://exam\u200bple.org/",
    "http://[::1", "http://::1/", "http://[]/", "http://[zz]/", "http://[1.2.3.4]/", "http://-a.org/",
    "http://a-.org/", "http://a..org/", "http://.org/", "http://a_b!.org/", "http://" + "a" * 64 + ".org/",
    "http://" + "a." * 130 + "org/", "http://example.org/" + "a" * 2100, "http://%6c%6f%63%61%6c%68%6f%73%74/",
    "http://127%2e0%2e0%2e1/", "http://xn--/", "http://exa\u202emple.org/",
    "http://{example}.org/", "http://example.org/<a>", 'http://example.org/"', "http://example.org\\@127.0.0.1/",
)  # fmt: skip
_USERINFO = (
    "http://user@example.org/", "http://user:pass@example.org/", "http://@example.org/", "http://:@example.org/",
    "http://example.org@127.0.0.1/", "http://example.org:80@127.0.0.1/", "http://127.0.0.1@example.org/",
    "http://example.org%40127.0.0.1@example.com/", "https://cdn.discordapp.com@127.0.0.1/a.png",
    "https://cdn.discordapp.com:443@[::1]/a.png", "http://a@b@127.0.0.1/",
)  # fmt: skip
_PORTS = (
    *(f"http://example.org:{port}/" for port in (0, 1, 21, 22, 23, 25, 53, 110, 111, 135, 139, 143)),
    "http://example.org:389/", "http://example.org:443/", "http://example.org:445/", "http://example.org:2375/",
    "http://example.org:3306/", "http://example.org:5432/", "http://example.org:6379/", "http://example.org:9200/",
    "http://example.org:11211/", "http://example.org:27017/", "https://example.org:80/", "https://example.org:22/",
    "https://example.org:6379/", "http://example.org:65536/", "http://example.org:-1/", "http://example.org:a/",
    "http://example.org:80a/", "http://example.org:８０８１/",
)  # fmt: skip

PUBLIC_REFUSED: tuple[str, ...] = (
    *(f"http://{host}/latest/meta-data/" for host in _V4),
    *(f"https://{host}/" for host in _V4[:6]),
    *(f"http://[{host}]/" for host in _V6),
    *(f"http://{host}/" for host in _NUMBERS),
    *(f"https://{host}/a" for host in _NAMES),
    *_SCHEMES,
    *_SHAPES,
    *_USERINFO,
    *_PORTS,
)
"""Refused by their looks under the policy ``public``, whoever resolves names."""

CDN_REFUSED: tuple[str, ...] = (
    "https://cdn.discordapp.com.evil.org/a.png", "https://cdn-discordapp.com/a.png", "https://discordapp.com/a.png",
    "https://discordapp.net/a.png", "https://xcdn.discordapp.org/a.png", "https://cdn.dlscordapp.com/a.png",
    "https://cdn.discordapp.co/a.png", "https://evildiscordapp.com/a.png", "https://cdn.discord.com.evil.org/a",
    "https://discord.com/a.png", "https://evil.org/cdn.discordapp.com/a.png", "https://evil.org/?cdn.discordapp.com",
    "https://evil.org#.discordapp.com", "https://cdn.disc\u043erdapp.com/a.png", "https://cdn.discordapp.com\uff0f.org/",
    "https://cdn\u3002discordapp\u3002com/a.png", "http://cdn.discordapp.com/a.png", "https://cdn.discordapp.com:8443/a",
    "https://cdn.discordapp.com:80/a.png", "https://user@cdn.discordapp.com/a.png", "ftp://cdn.discordapp.com/a.png",
    "file://cdn.discordapp.com/etc/passwd", "https://cdn.discordapp.com./a.png", "https://.discordapp.com/a.png",
    "https://a_.discordapp.com /a.png", "https://example.com/a.png", "https://127.0.0.1/a.png",
    "https://169.254.169.254/a.png", "https://[::1]/a.png", "https://localhost/a.png", "//cdn.discordapp.com/a.png",
    "https://cdn.discordapp.com\\@evil.org/a.png", "https://media.discordapp.net.evil.org/a.png",
    "https://cdn.discordapp.com%2eevil.org/a.png", "https://CDN.DISCORDAPP.COM.EVIL.ORG/a.png", "",
)  # fmt: skip
"""Refused where only Discord's own file servers are wanted."""

PUBLIC_ALLOWED: tuple[tuple[str, str], ...] = (
    ("https://example.org", "https://example.org/"),
    ("HTTPS://Example.ORG:443/A?b=C#frag", "https://example.org/A?b=C"),
    ("http://example.org:8080/a", "http://example.org:8080/a"),
    ("http://example.org:/..@127.0.0.1/", "http://example.org/..@127.0.0.1/"),
    ("http://example.org#@127.0.0.1:99999/", "http://example.org/"),
    ("http://8.8.8.8/a", "http://8.8.8.8/a"),
    ("https://[2606:4700:4700::1111]/a", "https://[2606:4700:4700::1111]/a"),
    ("https://bücher.de/ä", "https://xn--bcher-kva.de/ä"),
    ("https://a.b.c.example.com/%7Ex?y=%20", "https://a.b.c.example.com/%7Ex?y=%20"),
)
"""Plain public addresses, and the form in which they are asked for."""
