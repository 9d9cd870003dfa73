from django.core.cache import cache


def test_cache_speaks_to_a_real_server():
    cache.set("rig", "alive", 5)
    assert cache.get("rig") == "alive"
