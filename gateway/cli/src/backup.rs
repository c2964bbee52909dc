//! `backup` and `restore`: one file that a service can go on from on another machine, but for its secrets.
mod archive;
mod place;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use shouwang_duty_room as duty_room;
use shouwang_gateway::clock;
use shouwang_gateway::config::Config;
use shouwang_gateway::store;

use crate::check::is_duty_room;
use crate::exit::{Code, Exit};
use crate::print;
use archive::{Archive, Kind, Manifest};
use place::{Place, put_in_place};

/// Whose configuration it is, and what a backup of it holds besides the database.
struct Service {
    kind: Kind,
    /// Site and gateway, or the duty room's name.
    name: String,
    state_dir: PathBuf,
    /// The configuration and what belongs to it, by their names in the archive.
    texts: Vec<(String, Vec<u8>)>,
}

/// Copies a running or stopped service into the new file `to`.
pub(crate) fn backup(config: &Path, to: &Path, json: bool) -> Result<(), Exit> {
    let service = Service::load(config)?;
    // Beside the file itself: there is room for both, or for none.
    let beside = to.parent().filter(|beside| !beside.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let scratch = tempfile::Builder::new().prefix(".shouwang-backup-").tempdir_in(beside);
    let scratch = scratch.map_err(|error| cannot("make a folder for the copy beside", to, &error))?;
    let database = service.kind.database();
    let copy = scratch.path().join(database);
    match service.kind {
        Kind::Gateway => {
            store::backup::copy(&service.state_dir, &copy).map_err(|error| Exit::failed(&error))?;
        }
        Kind::DutyRoom => {
            duty_room::backup::copy(&service.state_dir, &copy).map_err(|error| Exit::failed(&error))?;
        }
    }
    let (made_at, _) = clock::wall();
    let mut files = service.texts;
    files.extend(cursors(&service.state_dir, service.kind)?);
    let manifest =
        archive::write(to, &service.name, service.kind, made_at, &files, &[(database, copy.as_path())])
            .map_err(|error| cannot("write", to, &error))?;
    if json {
        return print::line(&json!({"to": to, "manifest": manifest}).to_string());
    }
    let holds = match service.kind {
        Kind::Gateway => "",
        Kind::DutyRoom => {
            "里面有账号(口令的散列)、住户姓名和电话:请像住户登记簿一样保管。\n\
             It holds accounts (hashes of passwords) and residents' names and phones: keep it like their register.\n\
             河道传感器的测量序列(stations.db)和照片(photos/)不在里面 · the river sensors' measured series (stations.db) \
             and the photos (photos/) are not in it\n"
        }
    };
    print::line(&format!(
        "已备份 · backed up: {0} {1} -> {2}(只有属主可读 · readable by its owner alone)\n{holds}\
         密码、密钥和证书文件不在备份里,请另行保管 · passwords, keys and certificates are not in it: keep them elsewhere\n\
         下一步 · next: shouwang restore {2} --config {3}",
        service.kind.word(),
        service.name,
        to.display(),
        config.display()
    ))
}

/// Puts a backup where the configuration says, in the place of what is there, which is moved aside.
pub(crate) fn restore(from: &Path, config: &Path, json: bool) -> Result<(), Exit> {
    let service = Service::load(config)?;
    let place = Place::take(&service.state_dir, service.kind)?;
    let scratch = tempfile::Builder::new().prefix(".restore-").tempdir_in(&service.state_dir);
    let scratch = scratch.map_err(|error| cannot("make a folder in", &service.state_dir, &error))?;
    let Archive { manifest, files } =
        archive::read(from, scratch.path()).map_err(|why| why.into_exit(from))?;
    if (manifest.of, manifest.name.as_str()) != (service.kind, service.name.as_str()) {
        return Err(Exit::Because(
            Code::Bad,
            format!(
                "{} 是 {} {} 的备份,{} 是 {} {} 的配置:不能互换\n{0} is a backup of {1} {2}, and {3} is the \
                 configuration of {4} {5}: one cannot go on as the other",
                from.display(),
                manifest.of.word(),
                manifest.name,
                config.display(),
                service.kind.word(),
                service.name
            ),
        ));
    }
    let database = scratch.path().join(service.kind.database());
    let unheard = renew(&database, &manifest)?;
    let aside = put_in_place(&place, scratch.path(), &files)
        .map_err(|error| cannot("put the files into", &service.state_dir, &error))?;
    if json {
        let object = json!({"restored": manifest.name, "of": manifest.of, "made_at": manifest.made_at,
            "unheard": unheard, "aside": aside});
        return print::line(&object.to_string());
    }
    let aside =
        aside.map(|aside| format!("原来的数据移到 · what was there is now in: {}\n", aside.display()));
    let (unit, after) = match service.kind {
        Kind::Gateway => (
            "shouwang-gateway",
            "下次启动是一本新日志,并报告备份之后的缺口;还在报警的设备会重新报警。\n\
             The next start begins a new log and tells the gap; what still holds is raised again.\n",
        ),
        Kind::DutyRoom => (
            "shouwang-duty-room",
            "备份之后的事件会向网关重新索取;所有人要重新登录。\n\
             What came after the backup is asked of the gateways again; everybody logs in anew.\n",
        ),
    };
    print::line(&format!(
        "已恢复 · restored: {} {}, {}\n{}{after}密码、密钥和证书文件不在备份里 · passwords, keys and certificates are not \
         in it\n下一步 · next: shouwang check --config {} && systemctl start {unit}",
        manifest.of.word(),
        manifest.name,
        manifest.made_at,
        aside.unwrap_or_default(),
        config.display()
    ))
}

fn renew(database: &Path, manifest: &Manifest) -> Result<Option<u64>, Exit> {
    if !database.exists() {
        let why = "备份里没有数据库 · the backup holds no database".to_owned();
        return Err(Exit::Because(Code::Found, why));
    }
    let damaged = |why: String| {
        Exit::Because(Code::Found, format!("备份里的数据库不完好 · the backup's database is damaged: {why}"))
    };
    match manifest.of {
        Kind::Gateway => store::backup::renew(database, manifest.made_at)
            .map(Some)
            .map_err(|error| damaged(error.to_string())),
        Kind::DutyRoom => {
            duty_room::backup::renew(database).map_err(|error| damaged(error.to_string()))?;
            Ok(None)
        }
    }
}

impl Service {
    fn load(path: &Path) -> Result<Self, Exit> {
        if is_duty_room(path) {
            let config =
                duty_room::Config::load(path).map_err(|error| Exit::Because(Code::Bad, error.to_string()))?;
            let text = fs::read(path).map_err(|error| cannot("read", path, &error))?;
            return Ok(Self {
                kind: Kind::DutyRoom,
                name: config.name.to_string(),
                state_dir: config.state_dir,
                texts: vec![("config/duty-room.toml".to_owned(), text)],
            });
        }
        let config = Config::load(path).map_err(|problems| Exit::bad(&problems))?;
        let texts = config.sources.iter().enumerate().map(|(index, (file, text))| {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let name = match index {
                0 => "config/gateway.toml".to_owned(),
                // Two folders may have a file of the same name.
                _ => format!("config/device-profiles/{index}/{name}"),
            };
            (name, text.clone().into_bytes())
        });
        Ok(Self {
            kind: Kind::Gateway,
            name: format!("{}/{}", config.core.site, config.core.gateway),
            texts: texts.collect(),
            state_dir: config.state_dir,
        })
    }
}

/// How far each webhook of a duty room has come.
fn cursors(state_dir: &Path, kind: Kind) -> Result<Vec<(String, Vec<u8>)>, Exit> {
    if kind == Kind::Gateway {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(state_dir).map_err(|error| cannot("read", state_dir, &error))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let names = names.filter(|name| archive::is_cursor(name));
    let read = |name: String| -> Result<(String, Vec<u8>), Exit> {
        let file = state_dir.join(&name);
        let bytes = fs::read(&file).map_err(|error| cannot("read", &file, &error))?;
        Ok((format!("state/{name}"), bytes))
    };
    names.map(read).collect()
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Exit {
    let path = path.display();
    Exit::Because(
        Code::Failed,
        format!("cannot {what} {path}: {error}; check the folder, its space and its rights"),
    )
}
