"""Pages of the gallery: the list, one publication, and what users do with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from engine.errors import InputError
from strategies import selectors as saved
from strategies.gallery import copying, markets, opinions, publishing, selectors, shown, subjects
from strategies.gallery.forms import GalleryFilter, PublishForm
from strategies.gallery.models import Publication
from strategies.gallery.subjects import Subject
from tradingsite.lib.errors import ApiError, NotFound

PAGE_SIZE, RATINGS_SHOWN = 24, 20
# Where a copy is taken to, by what somebody pressed.
THEN = {
    "edit": lambda copied: copying.page_of(copied, "edit"),
    "backtest": lambda copied: f"{reverse('backtests:new')}?{copying.query_of(copied)}",
    "bot": lambda copied: f"{reverse('bots:new')}?{copying.query_of(copied)}",
}


@login_required
@require_GET
def gallery(request: HttpRequest) -> HttpResponse:
    """Every published strategy, filtered and sorted by the address."""
    asked = GalleryFilter.from_query(request.GET)
    rows = selectors.listed(words=asked.q, kind=asked.kind, market=asked.market, stars=asked.stars, sort=asked.sort)
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    found = {"page": page, "cards": [shown.card(row) for row in page.object_list], "filter": asked}
    return render(request, "strategies/gallery.html", {**found, "costs": shown.costs(), "share": shown.SHARE_PCT})


@login_required
@require_GET
def public_list(request: HttpRequest) -> HttpResponse:
    """Where public strategies were listed before there was a gallery."""
    kind = request.GET.get("type", "")
    known = dict(shown.kinds())
    return redirect(reverse("strategies:gallery") + (f"?kind={kind}" if kind in known else ""))


@login_required
@require_GET
def entry(request: HttpRequest, publication_id: int) -> HttpResponse:
    """One published strategy: its figures by parts, what it does, what others say of it."""
    return _entry(request, selectors.one(request.user, publication_id))


def _entry(request: HttpRequest, row: Publication, status: int = 200, **more: Any) -> HttpResponse:
    in_time = shown.parts(row)
    parts = in_time[::-1]  # what counts most stands first
    parameters, settings = shown.values_of(row)
    ratings = Paginator(selectors.ratings(row), RATINGS_SHOWN).get_page(request.GET.get("page"))
    context = {
        "row": row,
        "card": shown.card(row),
        "is_own": row.owner_id == request.user.pk,
        "parts": parts,
        "figures": shown.table(parts),
        "chart_words": shown.chart_words(in_time),
        "sentences": shown.sentences_of(row),
        "parameters": parameters,
        "settings": settings,
        "source": shown.source_label(row.source),
        "costs": shown.costs(),
        "cash": subjects.STARTING_CASH,
        "ratings": ratings,
        "mine": selectors.rating_of(request.user, row),
        "own_page": copying.page_of(row.subject, "detail"),
        "publish_page": copying.page_of(row.subject, "publish"),
    }
    return render(request, "strategies/gallery_entry.html", {**context, **more}, status=status)


@login_required
@require_GET
def chart(request: HttpRequest, publication_id: int) -> JsonResponse:
    """The line of the page's chart (`backtests.published`), with the name of each part."""
    row = selectors.one(request.user, publication_id)
    titles = [part.title for part in shown.parts(row)]
    return JsonResponse({**row.chart, "parts": titles})


@login_required
@require_POST
def copy(request: HttpRequest, publication_id: int) -> HttpResponse:
    """A copy of one's own, which then is opened in the form, a backtest or a bot. The same copy is not made twice."""
    row = selectors.one(request.user, publication_id)
    then = request.POST.get("then", "edit")
    try:
        copied, new = copying.take(request.user, row)
    except NotFound:
        raise  # nothing to go back to
    except (InputError, ApiError) as refusal:
        messages.error(request, getattr(refusal, "message", str(refusal)))
        return redirect("strategies:gallery-entry", publication_id=row.pk)
    if new:
        messages.success(request, f"Copied as “{copied.name}”. It is yours alone.")
    return redirect(THEN.get(then, THEN["edit"])(copied))


@login_required
@require_POST
def rate(request: HttpRequest, publication_id: int) -> HttpResponse:
    """Rate it, or take the rating back (``remove``)."""
    row = selectors.one(request.user, publication_id)
    if request.POST.get("remove"):
        opinions.take_back(request.user, row)
        messages.success(request, "Your rating is taken back.")
        return redirect("strategies:gallery-entry", publication_id=row.pk)
    stars, comment = request.POST.get("stars", ""), request.POST.get("comment", "")
    sent = {"stars": int(stars) if stars.isdecimal() and len(stars) < 3 else None, "comment": comment}
    return _said(request, row, lambda: opinions.rate(request.user, row, sent), "Thank you. Your rating is there.", sent)


@login_required
@require_POST
def report(request: HttpRequest, publication_id: int) -> HttpResponse:
    """Tell the operators that it should not be there."""
    row = selectors.one(request.user, publication_id)
    sent = {"reason": request.POST.get("reason", "")}
    return _said(request, row, lambda: opinions.report(request.user, row, sent), "The operators will look at it.", sent)


def _said(
    request: HttpRequest, row: Publication, say: Callable[[], Any], thanks: str, typed: dict[str, Any]
) -> HttpResponse:
    """Says it and goes back; what is refused comes back with what was typed."""
    try:
        say()
    except InputError as error:
        faults = {fault.path: " ".join(filter(None, (fault.message, fault.hint))) for fault in error.faults}
        return _entry(request, row, 400, errors=faults, typed=typed)
    except NotFound:
        raise  # nothing to go back to
    except ApiError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, thanks)
    return redirect("strategies:gallery-entry", publication_id=row.pk)


@login_required
@require_http_methods(["GET", "POST"])
def publish(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Publish one of the user's own saved strategies, or say on which prices it is measured."""
    return _publish(request, saved.get(request.user, strategy_id))


@login_required
@require_POST
def withdraw(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Take one of the user's own out of the gallery."""
    return _withdraw(request, saved.get(request.user, strategy_id))


@login_required
@require_http_methods(["GET", "POST"])
def publish_custom(request: HttpRequest, custom_id: int) -> HttpResponse:
    """As `publish`, of one of the user's own custom strategies."""
    return _publish(request, saved.custom(request.user, custom_id))


@login_required
@require_POST
def withdraw_custom(request: HttpRequest, custom_id: int) -> HttpResponse:
    """As `withdraw`, of one of the user's own custom strategies."""
    return _withdraw(request, saved.custom(request.user, custom_id))


def _publish(request: HttpRequest, subject: Subject) -> HttpResponse:
    publication = publishing.of(subject)
    try:
        default = markets.sample(subjects.declared(subject))
    except InputError as error:
        messages.error(request, f"It cannot be published: {error}")
        return redirect(copying.page_of(subject, "detail"))
    context = {"subject": subject, "publication": publication, "back": copying.page_of(subject, "detail")}
    context |= {"costs": shown.costs(), "share": shown.SHARE_PCT}
    if request.method == "GET":
        form = PublishForm.of(subject.description, publication, default)
        return render(request, "strategies/publish.html", {**context, "form": form})
    form = PublishForm.from_request(request.POST)
    try:
        row = publishing.publish(request.user, subject, form.payload())
    except InputError as error:
        form.refuse(error.faults)
        return render(request, "strategies/publish.html", {**context, "form": form}, status=400)
    messages.success(request, f"“{row.name}” is in the gallery. Its figures are being computed.")
    return redirect("strategies:gallery-entry", publication_id=row.pk)


def _withdraw(request: HttpRequest, subject: Subject) -> HttpResponse:
    publishing.withdraw(request.user, subject)
    messages.success(request, f"“{subject.name}” is no longer in the gallery. Copies that others made stay theirs.")
    return redirect(copying.page_of(subject, "detail"))
