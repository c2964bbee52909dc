// How what waits in a phone goes out: as JSON, and then its photo. `path`, `body` and `photoPath` say of one thing where it
// goes and what is said; `taken` hears what was answered, and what it gives back is kept as the thing's `sent`. What is
// refused, be it the photo alone, stays in the phone with the reason until its person drops it.
import { isLater, reason } from "./outbox.js";

export const sender = ({ say, tell, path, body, photoPath, taken = () => true }) => async (one, { keep, forget }) => {
    if (!one.sent) {
        const headers = { "Content-Type": "application/json" };
        const answer = await fetch(path(one), { method: "POST", headers, body: JSON.stringify(body(one)) });
        if (isLater(answer.status)) {
            tell((answer.status === 401 && say.login) || (await reason(answer)));
            return false;
        }
        if (!answer.ok) {
            await keep({ ...one, refused: await reason(answer) });
            return false;
        }
        tell(say.sent);
        one = { ...one, sent: taken(await answer.json(), one) ?? true };
        await keep(one);
    }
    if (one.photo) {
        const headers = { "Content-Type": one.photo.type || "image/jpeg" };
        const answer = await fetch(photoPath(one), { method: "POST", headers, body: one.photo });
        if (isLater(answer.status)) return false;
        if (!answer.ok) {
            const refused = `${say.photo_refused} ${await reason(answer)}`;
            await keep({ ...one, refused });
            tell(refused);
            return true;
        }
    }
    await forget(one.id);
    return true;
};
