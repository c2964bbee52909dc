//! The whole way of a notice, and another configuration while one is under way.
use super::*;

/// The whole way of a notice: mailbox, queue, request, result.
#[tokio::test]
async fn a_notice_comes_back_with_what_became_of_it() {
    let service = Service::start(vec![json(OK_WECOM)]).await;
    let (inputs, mut told) = mpsc::channel(16);
    let (stop, stopped) = Stopped::channel();
    let means = Means {
        clock: Clock::system(),
        page: None,
        state_dir: "/nonexistent".into(),
        inputs,
        heard: broadcast::channel(1).0,
        stopped,
    };
    let tasks = Tasks::default();
    let mut notifier = Notifier::new(means, tasks.clone());
    notifier.change(&prepare(&[wecom_at(&service.url)]).unwrap()).unwrap();
    let mut result = async || match told.recv().await.unwrap() {
        Message::Input(Input::Told { ticket, result }) => (ticket, result),
        other => panic!("{other:?}"),
    };
    notifier.tell(fire()).unwrap();
    assert!(matches!(result().await, (1, DeliveryResult::Delivered { .. })));
    assert!(service.next().await.body.contains("@all"));
    service.next().await;
    // A refusal is told at once.
    service.then(vec![json(r#"{"errcode":93000,"errmsg":"x"}"#)]);
    notifier.tell(Notice { ticket: 2, building: None, ..fire() }).unwrap();
    let (2, DeliveryResult::Failed { code, text, .. }) = result().await else { panic!("not failed") };
    assert!(code == "93000" && text.contains("2 failures in a row"), "{code} {text}");
    // A server that is gone for a second is tried again by itself.
    service.then(vec![Reply::Reset, json(OK_WECOM)]);
    let before = service.count();
    notifier.tell(Notice { ticket: 3, building: None, priority: Priority::Ordinary, ..fire() }).unwrap();
    let (3, DeliveryResult::Failed { code, .. }) = result().await else { panic!("the third in a row") };
    assert_eq!(code, "broken");
    while service.count() < before + 2 {
        service.next().await;
    }
    let nobody = notifier.tell(Notice { channel: "nobody".parse().unwrap(), ..fire() });
    assert!(matches!(nobody, Err(DeliveryResult::Failed { code, .. }) if code == "no_channel"));
    stop.send(true).unwrap();
    for task in tasks.take() {
        task.await.unwrap();
    }
}

/// Another configuration while a notice is under way: a channel that stays is not disturbed, one that changed tells what
/// it was given before it goes, and what comes then goes the new way.
#[tokio::test]
async fn channels_are_exchanged_without_losing_a_notice() {
    let (old, new) = (
        Service::start(vec![Reply::Reset, json(OK_WECOM)]).await,
        Service::start(vec![json(OK_WECOM)]).await,
    );
    let (inputs, mut told) = mpsc::channel(16);
    let (_stop, stopped) = Stopped::channel();
    let heard = broadcast::channel(1).0;
    let means = Means {
        clock: Clock::system(),
        page: None,
        state_dir: "/nonexistent".into(),
        inputs,
        heard,
        stopped,
    };
    let tasks = Tasks::default();
    let mut notifier = Notifier::new(means, tasks.clone());
    let stays = Channel { id: "stays".parse().unwrap(), ..wecom_at(&old.url) };
    notifier.change(&prepare(&[wecom_at(&old.url), stays.clone()]).unwrap()).unwrap();
    let channel = wecom_at(&old.url).id;
    notifier.tell(Notice { ticket: 1, building: None, ..fire() }).unwrap();
    old.next().await;
    notifier.change(&prepare(&[wecom_at(&new.url), stays]).unwrap()).unwrap();
    assert!(!tasks.has_died(), "who may go has not died");
    notifier.tell(Notice { ticket: 2, building: None, ..fire() }).unwrap();
    let mut tickets = Vec::new();
    for _ in 0..2 {
        let Some(Message::Input(Input::Told { ticket, result })) = told.recv().await else {
            panic!("no result")
        };
        assert!(matches!(result, DeliveryResult::Delivered { .. }), "{ticket}: {result:?}");
        tickets.push(ticket);
    }
    tickets.sort_unstable();
    assert_eq!(tickets, [1, 2]);
    assert!(new.count() > 0, "the second went the new way");
    notifier.change(&[]).unwrap();
    let nobody = notifier.tell(Notice { channel, ..fire() });
    assert!(matches!(nobody, Err(DeliveryResult::Failed { code, .. }) if code == "no_channel"));
    for task in tasks.take() {
        task.await.unwrap();
    }
}
