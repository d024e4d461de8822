"""MAPPA forms: the referral, in and out, as JSON or one row of CSV; and the annual return.

The return is not a form of the adapter, since no alert becomes one: see
`adapters.mappa_forms.annual_return`.
"""

from typing import Final

from adapters.contract import Adapter, Inbound, Outbound
from adapters.mappa_forms.prefilled import as_csv, as_json
from adapters.mappa_forms.referral import split, translate

ADAPTER: Final = Adapter(
    name="mappa_forms",
    title="MAPPA: referral form",
    inbound=Inbound(media_types=("application/json", "text/csv"), translate=translate, split=split),
    outbound=(
        Outbound(form="referral", media_type="application/json", render=as_json),
        Outbound(form="referral-csv", media_type="text/csv", render=as_csv),
    ),
)
