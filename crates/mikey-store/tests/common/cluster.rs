//! Etcd nodes of a test on loopback: each a process in a directory of its own, ended when the test is over.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Some etcd nodes that form one cluster.
pub struct Cluster {
    nodes: Vec<Node>,
    initial: String,
    quota: Option<u64>,
    directory: TempDir,
}

struct Node {
    name: String,
    client: u16,
    peer: u16,
    process: Option<Child>,
}

impl Cluster {
    /// Starts `count` nodes and waits until they have a leader. `quota` is etcd's, in octets.
    pub fn start(count: usize, quota: Option<u64>) -> Self {
        let ports = free_ports(2 * count);
        let nodes: Vec<_> = (0..count)
            .map(|n| Node {
                name: format!("n{n}"),
                client: ports[2 * n],
                peer: ports[2 * n + 1],
                process: None,
            })
            .collect();
        let initial: Vec<_> =
            nodes.iter().map(|node| format!("{}=http://127.0.0.1:{}", node.name, node.peer)).collect();
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = Self { nodes, initial: initial.join(","), quota, directory };
        for n in 0..count {
            cluster.start_node(n);
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while cluster.leader().is_none() {
            assert!(Instant::now() < deadline, "etcd has no leader after a minute");
            std::thread::sleep(Duration::from_millis(50));
        }
        cluster
    }

    /// Starts a node, for the first time or again on what it has on its disk.
    pub fn start_node(&mut self, n: usize) {
        let log = std::fs::File::create(self.directory.path().join(format!("{n}.log"))).unwrap();
        let node = &mut self.nodes[n];
        let url = |port| format!("http://127.0.0.1:{port}");
        let mut command = Command::new("etcd");
        command
            .env_clear()
            .args(["--name", &node.name, "--initial-cluster", &self.initial])
            .arg("--data-dir")
            .arg(self.directory.path().join(&node.name))
            .args(["--listen-client-urls", &url(node.client), "--advertise-client-urls", &url(node.client)])
            .args(["--listen-peer-urls", &url(node.peer), "--initial-advertise-peer-urls", &url(node.peer)])
            // 3.4 takes etcd's word that this architecture is supported, and its default is 1 s for an election.
            .args(["--heartbeat-interval", "100", "--election-timeout", "1000", "--logger", "zap"])
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(quota) = self.quota {
            command.args(["--quota-backend-bytes", &quota.to_string()]);
        }
        node.process = Some(command.spawn().expect("etcd runs (Debian's etcd-server; ci/setup installs it)"));
    }

    /// The addresses of clients.
    pub fn endpoints(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("http://127.0.0.1:{}", node.client)).collect()
    }

    /// Kills a node as `kill -9` does.
    pub fn kill(&mut self, n: usize) {
        if let Some(mut process) = self.nodes[n].process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Stops a node without ending it, or lets it go on.
    pub fn freeze(&self, n: usize, frozen: bool) {
        let process = self.nodes[n].process.as_ref().unwrap();
        let pid = rustix::process::Pid::from_child(process);
        let signal = if frozen { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT };
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Which node leads, if one answers that it does.
    pub fn leader(&self) -> Option<usize> {
        (0..self.nodes.len()).find(|n| {
            self.nodes[*n].process.is_some()
                && get(self.nodes[*n].client, "/metrics")
                    .is_some_and(|metrics| metrics.contains("\netcd_server_is_leader 1"))
        })
    }

    /// Where a node keeps its data.
    pub fn data(&self, n: usize) -> std::path::PathBuf {
        Path::new(self.directory.path()).join(&self.nodes[n].name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for n in 0..self.nodes.len() {
            if let Some(mut process) = self.nodes[n].process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}

/// Ports that were free a moment ago.
pub fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// A page over HTTP.
pub fn get(port: u16, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut page = Vec::new();
    let _ = stream.read_to_end(&mut page);
    Some(String::from_utf8_lossy(&page).into_owned())
}
