// A lead's new password, by the code that was made on the machine; then the board.
import { accountIn, narrow, onSubmit, request, twice } from "./forms.js";
import { byId } from "./words.js";

onSubmit(
  "form",
  "told",
  () => twice("password", "again") || request("POST", "/api/v1/recovery", {
    account: accountIn("account"), code: narrow("code"), password: byId("password").value,
  }),
  () => location.assign("/"),
);
