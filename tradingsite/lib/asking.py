"""What views of the API share: bodies and queries through their serializers, lists, headers of several routes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.generics import ListAPIView
from rest_framework.request import Request

KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="1–200 printable ASCII characters; sent again with the same request it starts nothing twice",
)


def location(of: str, *codes: int) -> OpenApiParameter:
    """The Location header of answers with these status codes: the address of `of`."""
    return OpenApiParameter(
        "Location", OpenApiTypes.STR, OpenApiParameter.HEADER, response=list(codes), description=f"Address of {of}"
    )


def body(serializer: Any, request: Request) -> dict[str, Any]:
    """The request's body through its serializer. Raises its ValidationError (400)."""
    return _read(serializer(data=request.data))


def query(serializer: Any, request: Request) -> dict[str, Any]:
    """The request's query through its serializer. Raises its ValidationError (400)."""
    return _read(serializer(data=request.query_params))


def _read(reader: Any) -> dict[str, Any]:
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


class Listing(ListAPIView):
    """Base of lists: pages, and no rows while the schema is made, when there is nobody whose they could be."""

    def rows(self) -> Any:
        """What is listed: a queryset or a list."""
        raise NotImplementedError

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            shape = getattr(self.get_serializer_class(), "Meta", None)
            return shape.model.objects.none() if shape is not None else []
        return self.rows()
