//! What somebody on the box may say to the control socket: every whole line gets an answer, whatever stands in it,
//! and the socket goes on serving. Behind the line that it lends somebody answers everything with an exception.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use shouwang_gateway::control::{Control, Grant, Told};
use shouwang_gateway::installing::Counter;
use shouwang_gateway::line::{Lender, LineHandle, Link, WireTap, spawn};
use shouwang_gateway::recordings::Wish;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

const PATIENCE: Duration = Duration::from_secs(60);

struct Socket {
    path: PathBuf,
    _line: LineHandle,
    _lenders: watch::Sender<Arc<[Lender]>>,
    _control: Control,
    _runtime: Runtime,
    _directory: tempfile::TempDir,
}

pub(crate) fn run(data: &[u8]) {
    static SOCKET: OnceLock<Socket> = OnceLock::new();
    let socket = SOCKET.get_or_init(Socket::open);
    let mut stream = UnixStream::connect(&socket.path).expect("it serves");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    // It may have hung up on what came before.
    let _ = stream.write_all(data).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answers = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = answers.next() else { return };
    let granted: Grant = serde_json::from_str(&first).expect("the first answer grants or refuses");
    for answer in answers {
        assert!(matches!(granted, Grant::Tcp { .. }), "who was refused is told no more");
        let _: Told = serde_json::from_str(&answer).expect("every other says what came of a question");
    }
}

impl Socket {
    fn open() -> Self {
        let directory = tempfile::tempdir().expect("a folder");
        let path = directory.path().join("control.sock");
        let link = Link::Tcp { address: device(), rtu_frames: false, interface: None };
        let line = spawn(0, link.clone(), WireTap::new(), |_, _| {}).expect("a thread");
        // The seeds know it by this name.
        let name = Link::Tcp { address: "127.0.0.1:1".into(), rtu_frames: false, interface: None };
        let lender: Arc<[Lender]> = Arc::from([line.lender(&name)]);
        let (lenders, lent) = watch::channel(lender);
        let runtime = Runtime::new().expect("threads");
        let (wish, mut wishes) = mpsc::channel::<Wish>(1);
        runtime.spawn(async move {
            while let Some(Wish { answer, .. }) = wishes.recv().await {
                let _ = answer.send(Err("not here".into()));
            }
        });
        // Nobody is there for the walk test: who asks for it is left alone.
        let (counter, _) = Counter::new(mpsc::channel(1).0);
        let control = runtime.block_on(Control::serve(&path, lent, counter, wish)).expect("a socket");
        Self {
            path,
            _line: line,
            _lenders: lenders,
            _control: control,
            _runtime: runtime,
            _directory: directory,
        }
    }
}

/// The address of a Modbus TCP server that refuses every question at once (exception 2).
fn device() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut asked = [0; 12];
            while stream.read_exact(&mut asked).is_ok() {
                let [high, low, _, _, _, _, unit_id, function, ..] = asked;
                if stream.write_all(&[high, low, 0, 0, 0, 3, unit_id, function | 0x80, 2]).is_err() {
                    break;
                }
            }
        }
    });
    address
}
