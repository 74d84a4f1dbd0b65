"""nginx with `deploy/nginx/aisle.conf`, for tests."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import time
from pathlib import Path

import httpx

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONF = Path(__file__).parents[2] / "deploy" / "nginx" / "aisle.conf"

_MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/aisle.conf;
}}
"""


class Nginx:
    """nginx on a port of its own, with a certificate for `localhost` that it signed itself."""

    def __init__(self, folder: Path, aisle_port: int, port: int) -> None:
        self.port = port
        self.certificate = folder / "certificate.pem"
        key = folder / "key.pem"
        options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        files = [
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            str(key),
            "-out",
            str(self.certificate),
        ]
        subprocess.run(["openssl", "req", *options.split(), *files], check=True, capture_output=True)
        conf = CONF.read_text()
        for written, here in {
            "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
            "    listen [::]:443 ssl http2;\n": "",
            "listen 80;": f"listen 127.0.0.1:{port + 1};",
            "    listen [::]:80;\n": "",
            "server_name tickets.example;": "server_name localhost;",
            "/etc/ssl/aisle/fullchain.pem": str(self.certificate),
            "/etc/ssl/aisle/privkey.pem": str(key),
            "server 127.0.0.1:8080;": f"server 127.0.0.1:{aisle_port};",
        }.items():
            assert written in conf, written
            conf = conf.replace(written, here)
        (folder / "aisle.conf").write_text(conf)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=user))
        self.command = [NGINX or "", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def start(self) -> None:
        subprocess.run([*self.command, "-t"], check=True, capture_output=True)
        self.process = subprocess.Popen(self.command)
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"{self.url}/health/live", verify=self.tls, timeout=5)
                return
            except httpx.TransportError:
                assert time.monotonic() < deadline, "nginx does not answer"
                time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=30)

    def client(self, source: str, **headers: str) -> httpx.AsyncClient:
        """A client whose connections come from this address of the machine."""
        transport = httpx.AsyncHTTPTransport(verify=self.tls, local_address=source)
        return httpx.AsyncClient(base_url=self.url, transport=transport, headers=headers, timeout=60)
