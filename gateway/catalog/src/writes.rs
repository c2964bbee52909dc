//! Everything that would be written to a device: provisioning steps, and that no two writes collide.
use std::time::Duration;

use shouwang_core::profile::{Profile, ProvisioningStep, Table};
use shouwang_message::Text;

use crate::profile::expect;
use crate::strict::{Document, Step};
use crate::written::{StepPart, StepWord};

/// The steps of setting the unit id, those that are sound.
pub(crate) fn provisioning(document: &mut Document, written: &[StepPart]) -> Vec<ProvisioningStep> {
    let steps = written.iter().enumerate();
    steps.filter_map(|(index, step)| provisioning_step(document, index, step)).collect()
}

fn provisioning_step(document: &mut Document, index: usize, part: &StepPart) -> Option<ProvisioningStep> {
    let wanted: &[&str] = match part.step {
        StepWord::WriteUnitId => &["address"],
        StepWord::Write => &["address", "value"],
        StepWord::Wait => &["ms"],
        StepWord::Restart => &[],
        StepWord::ReadBack => &["table", "address"],
    };
    let writes = matches!(part.step, StepWord::WriteUnitId | StepWord::Write);
    for (key, there) in [
        ("address", part.address.is_some()),
        ("value", part.value.is_some()),
        ("ms", part.ms.is_some()),
        ("table", part.table.is_some()),
        ("at_new_id", part.at_new_id.is_some()),
    ] {
        let needed = wanted.contains(&key);
        let path = ["provisioning".into(), index.into(), Step::Key(if there { key } else { "step" })];
        if there && !needed && !(key == "at_new_id" && writes) {
            let what = Text::new(format!("这一步没有 `{key}`"), format!("this step has no `{key}`"));
            document.problem(&path, what, Text::new("请删除它", "delete it"));
        } else if needed && !there {
            let what = Text::new(format!("这一步缺少 `{key}`"), format!("this step lacks `{key}`"));
            document.problem(&path, what, Text::new(format!("请写 {key}"), format!("write {key} = ...")));
        }
    }
    let at_new_id = part.at_new_id.unwrap_or(false);
    Some(match part.step {
        StepWord::WriteUnitId => ProvisioningStep::WriteUnitId { address: part.address?, at_new_id },
        StepWord::Write => ProvisioningStep::Write { address: part.address?, value: part.value?, at_new_id },
        StepWord::Wait => ProvisioningStep::Wait(Duration::from_millis(u64::from(part.ms?))),
        StepWord::Restart => ProvisioningStep::Restart,
        StepWord::ReadBack => {
            ProvisioningStep::ReadBack { table: Table::from(part.table?), address: part.address? }
        }
    })
}

/// No register is written for two purposes, and never with a forbidden value.
pub(crate) fn no_overlap(document: &mut Document, profile: &Profile) {
    let mut taken: Vec<(Table, u16)> = Vec::new();
    let mut claim = |document: &mut Document, path: &[Step<'_>], table: Table, address: u16| {
        if taken.contains(&(table, address)) {
            document.problem(
                path,
                Text::new(
                    format!("地址 {address} 已经为别的目的写入"),
                    format!("address {address} is already written for another purpose"),
                ),
                Text::new("两种写入不能重叠", "two kinds of writing cannot overlap"),
            );
        }
        taken.push((table, address));
    };
    for (index, point) in profile.points.iter().enumerate().filter(|(_, point)| point.writable) {
        claim(document, &["point".into(), index.into(), "writable".into()], point.table, point.address);
    }
    if let Some(call) = &profile.call {
        claim(document, &["call".into(), "echo".into()], Table::HoldingRegister, call.echo);
        claim(document, &["call".into(), "indicator".into()], Table::HoldingRegister, call.indicator);
    }
    if let Some(reset) = &profile.reset {
        let path = ["reset".into(), "address".into()];
        claim(document, &path, reset.table, reset.address);
        let writable = matches!(reset.table, Table::Coil | Table::HoldingRegister);
        expect(
            document,
            &["reset".into(), "table".into()],
            writable,
            "只有线圈和保持寄存器可写",
            "only coils and holding registers can be written",
        );
        if reset.table == Table::HoldingRegister && is_forbidden(profile, reset.address, reset.value) {
            forbidden(document, &["reset".into(), "value".into()]);
        }
    }
    let mut provisioned: Vec<u16> = Vec::new();
    for (index, step) in profile.provisioning.iter().enumerate() {
        let (address, value) = match step {
            ProvisioningStep::WriteUnitId { address, .. } => (*address, None),
            ProvisioningStep::Write { address, value, .. } => (*address, Some(*value)),
            ProvisioningStep::Wait(_) | ProvisioningStep::Restart | ProvisioningStep::ReadBack { .. } => {
                continue;
            }
        };
        // Unlocking or saving may write one register twice; that is one purpose.
        if !provisioned.contains(&address) {
            provisioned.push(address);
            claim(
                document,
                &["provisioning".into(), index.into(), "address".into()],
                Table::HoldingRegister,
                address,
            );
        }
        if value.is_some_and(|value| is_forbidden(profile, address, value)) {
            forbidden(document, &["provisioning".into(), index.into(), "value".into()]);
        }
    }
}

fn is_forbidden(profile: &Profile, address: u16, value: u16) -> bool {
    profile
        .forbidden
        .iter()
        .any(|forbidden| forbidden.address == address && forbidden.values.contains(&value))
}

fn forbidden(document: &mut Document, path: &[Step<'_>]) {
    document.problem(
        path,
        Text::new("这个值列在 [[forbidden]] 里", "this value is listed under [[forbidden]]"),
        Text::new("请改其中之一", "change one of the two"),
    );
}
