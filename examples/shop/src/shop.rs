//! The shop: three groups before the database, what pages read from them, and what writes tell
//! them.
//!
//! | group | key | what changes it | so a write calls |
//! |---|---|---|---|
//! | `products` | a number | a new price; a discount of a category | `remove`; `remove_tag` |
//! | `shelves` | a category | nothing | nothing |
//! | `stock` | a number | every purchase | `insert_if_newer` |

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

use geecache::consistenthash::RingHash;
use geecache::{
    CacheKey, Error, GroupBuilder, HttpPool, Json, Origin, Refreshed, Server, TypedBatch,
    TypedConditional, TypedGetter, TypedGroup, TypedLoaded, TypedOld,
};
use serde::Serialize;

use crate::database::{Database, Product, Stock};

/// The most bytes of a group.
const CACHE_BYTES: u64 = 16 << 20;
/// The most calls of the database at once, by each group.
const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(4).unwrap();
/// How many failures in a row make a group leave the database alone, and for how long.
const FAILURES: NonZeroU32 = NonZeroU32::new(10).unwrap();
const REST: Duration = Duration::from_secs(2);

/// One of the two processes.
pub struct Shop {
    database: Arc<Database>,
    products: TypedGroup<u32, Product>,
    shelves: TypedGroup<str, Vec<u32>>,
    stock: TypedGroup<u32, Stock>,
    pool: HttpPool,
}

/// A value, and how it came.
#[derive(Serialize)]
pub struct Seen<T> {
    pub value: Arc<T>,
    /// Where it came from, as [`Origin::name`] says it.
    pub from: &'static str,
    /// The URL of the process that owns the key.
    pub owner: String,
}

/// An answer, and how long it took.
#[derive(Serialize)]
pub struct Timed<T> {
    pub micros: u128,
    pub answer: T,
}

/// What a write did.
#[derive(Serialize)]
pub struct Changed {
    /// The version of the row; of a discount there is none.
    pub version: Option<u32>,
    /// Whether both processes know of it. If not, the other one is told as soon as it answers.
    pub everywhere: bool,
}

/// Opening.
impl Shop {
    /// Opens a shop whose values are believed for `ttl`. It has no peers yet.
    pub fn open(database: Database, ttl: Duration) -> Result<Self, Error> {
        let database = Arc::new(database);
        let group = |group| protected(group, ttl);
        let products = TypedGroup::builder("products", CACHE_BYTES, Json, products(&database));
        let shelves = TypedGroup::builder("shelves", CACHE_BYTES, Json, shelves(&database));
        let stock = TypedGroup::builder("stock", CACHE_BYTES, Json, stock(&database));
        let shop = Self {
            database,
            products: products.group(group).build(),
            shelves: shelves.group(group).build(),
            stock: stock.group(group).build(),
            pool: pool()?,
        };
        shop.pool.add(shop.products.group())?;
        shop.pool.add(shop.shelves.group())?;
        shop.pool.add(shop.stock.group())?;
        Ok(shop)
    }

    pub fn pool(&self) -> &HttpPool {
        &self.pool
    }

    pub fn database(&self) -> &Database {
        &self.database
    }
}

/// Reading.
impl Shop {
    pub fn product(&self, id: u32) -> Result<Timed<Seen<Product>>, Error> {
        timed(|| self.products.get_with_origin(&id).map(|found| self.seen(&id, found)))
    }

    pub fn stock(&self, id: u32) -> Result<Timed<Seen<Stock>>, Error> {
        timed(|| self.stock.get_with_origin(&id).map(|found| self.seen(&id, found)))
    }

    pub fn shelf(&self, category: &str) -> Result<Timed<Seen<Vec<u32>>>, Error> {
        timed(|| self.shelves.get_with_origin(category).map(|found| self.seen(category, found)))
    }

    /// Many products, by one request to the other process, and one query by each of the two.
    pub fn products(&self, ids: &[u32]) -> Result<Timed<Vec<Seen<Product>>>, Error> {
        timed(|| {
            let found = ids.iter().zip(self.products.get_many_with_origin(ids));
            found.map(|(id, found)| Ok(self.seen(id, found?))).collect()
        })
    }

    fn seen<T>(&self, key: &(impl CacheKey + ?Sized), found: (Arc<T>, Origin)) -> Seen<T> {
        let owner = self.pool.owner(&key.to_text()).unwrap_or_default();
        Seen { value: found.0, from: found.1.name(), owner }
    }
}

/// Writing. The database always comes first: a load between the two steps then finds what is new.
impl Shop {
    /// Sets a price. Nobody who asks afterwards, in either process, gets the old one.
    pub fn set_price(&self, id: u32, cents: u32) -> rusqlite::Result<Changed> {
        let version = self.database.set_price(id, cents)?;
        // `insert` would spare the next load. But discounts remove, and a value that was inserted
        // late, after a newer one was removed, would stay.
        let everywhere = self.products.remove(&id).is_complete();
        Ok(Changed { version: Some(version), everywhere })
    }

    /// Makes a category cheaper: one change of many products, whose keys nobody has to know.
    pub fn discount(&self, category: &str, percent: u32) -> rusqlite::Result<Changed> {
        self.database.discount(category, percent)?;
        let everywhere = self.products.remove_tag(&tag(category)).is_complete();
        Ok(Changed { version: None, everywhere })
    }

    /// Sells one piece. All changes of a stock come this way and have versions, so the new one can
    /// be inserted: of two buyers at once, the later row wins, and the next page loads nothing.
    pub fn buy(&self, id: u32) -> rusqlite::Result<Changed> {
        let stock = self.database.buy(id)?;
        let everywhere = match self.stock.insert_if_newer(&id, stock, stock.version.into()) {
            Ok(report) => report.is_complete(),
            // There is no JSON of it: the old one must not stay.
            Err(_) => self.stock.remove(&id).is_complete(),
        };
        Ok(Changed { version: Some(stock.version), everywhere })
    }
}

/// The peers of a cluster of our own. For a port that others reach: `token_file`, and `tls`.
fn pool() -> Result<HttpPool, Error> {
    HttpPool::builder()
        .server(Server::Guarded) // the faster one of two
        .hash(RingHash::Mixed) // shares a few short keys out evenly, too
        .bind("127.0.0.1:0")
}

/// Loads products by one query for all, and asks for no more than the version of one that was
/// loaded before.
fn products(database: &Arc<Database>) -> impl TypedGetter<u32, Product> + use<> {
    let (database, again) = (Arc::clone(database), Arc::clone(database));
    let load = move |ids: &[u32]| {
        let products = database.products(ids)?.into_iter();
        let products = products.map(|(id, product)| (id, listed(product)));
        Ok::<_, rusqlite::Error>(Vec::from_iter(products))
    };
    let refresh = move |id: u32, old: &TypedOld<'_, Product>| {
        let version = again.version(id)?.map(u64::from);
        if version.is_some() && version == old.version_number() {
            return Ok(Refreshed::Unchanged);
        }
        let product = again.products(&[id])?.remove(&id);
        let product = product.map_or_else(TypedLoaded::absent, listed);
        Ok::<_, rusqlite::Error>(Refreshed::Changed(product))
    };
    TypedConditional::new(TypedBatch::new(load), refresh)
}

/// A product as the cache has it: it goes with its category, and no older version takes its place.
fn listed(product: Product) -> TypedLoaded<Product> {
    let (tag, version) = (tag(&product.category), product.version);
    TypedLoaded::from(product).tag(tag).version(version.into())
}

fn tag(category: &str) -> String {
    format!("category:{category}")
}

fn shelves(database: &Arc<Database>) -> impl TypedGetter<str, Vec<u32>> + use<> {
    let database = Arc::clone(database);
    move |category: String| {
        let shelf = database.shelf(&category)?;
        // What is not there stays unknown for `negative_ttl`.
        Ok::<_, rusqlite::Error>(Some(shelf).filter(|shelf| !shelf.is_empty()))
    }
}

fn stock(database: &Arc<Database>) -> impl TypedGetter<u32, Stock> + use<> {
    let database = Arc::clone(database);
    move |id: u32| {
        let stock = database.stock(id)?;
        let loaded = stock.map(|stock| TypedLoaded::from(stock).version(stock.version.into()));
        Ok::<_, rusqlite::Error>(loaded.unwrap_or_else(TypedLoaded::absent))
    }
}

/// How old values may be, and what keeps a slow or broken database from taking the shop along.
fn protected(group: GroupBuilder, ttl: Duration) -> GroupBuilder {
    group
        .ttl(ttl)
        .ttl_jitter(0.1) // what was loaded together does not end together
        .negative_ttl(ttl)
        .stale_while_revalidate(ttl) // nobody waits for a refresh …
        .stale_if_error(Duration::from_secs(3600)) // … an hour without the database is survived …
        .soft_timeout(Duration::from_millis(50)) // … and so is a slow one
        .hedge(0.95) // a process that is slow for a moment is not waited for
        .max_loads(CONNECTIONS)
        .source_breaker(FAILURES, REST)
}

fn timed<T>(get: impl FnOnce() -> Result<T, Error>) -> Result<Timed<T>, Error> {
    let begun = Instant::now();
    let answer = get()?;
    Ok(Timed { micros: begun.elapsed().as_micros(), answer })
}
