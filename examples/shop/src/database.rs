//! The source of truth: a file of SQLite, which both processes open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, Result, Row, Transaction, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

/// What is for sale.
const CATALOGUE: [(&str, [&str; 8]); 4] = [
    ("tea", ["Assam", "Ceylon", "Darjeeling", "Jasmine", "Matcha", "Oolong", "Rooibos", "Sencha"]),
    ("coffee", ["Antigua", "Harrar", "Huila", "Kona", "Mocha", "Sidamo", "Sumatra", "Yirgacheffe"]),
    ("spices", ["Anise", "Cardamom", "Cinnamon", "Clove", "Ginger", "Nutmeg", "Saffron", "Sumac"]),
    ("honey", ["Acacia", "Chestnut", "Clover", "Heather", "Lavender", "Linden", "Manuka", "Thyme"]),
];
const LEFT_AT_FIRST: u32 = 500;
/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(5);

/// A row of `products`. Its version grows with each change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Product {
    pub id: u32,
    pub name: String,
    pub category: String,
    pub cents: u32,
    pub version: u32,
}

/// A row of `stock`: how many pieces are left.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Stock {
    pub left: u32,
    pub version: u32,
}

pub struct Database {
    path: PathBuf,
    /// What each query takes besides.
    delay: Duration,
    idle: Mutex<Vec<Connection>>,
    queries: AtomicU64,
}

/// Reading, which the cache spares the database most of.
impl Database {
    /// Opens the file; makes and fills it if it is not there.
    pub fn open(path: &Path, delay: Duration) -> Result<Self> {
        let (idle, queries) = (Mutex::default(), AtomicU64::new(0));
        let database = Self { path: path.to_owned(), delay, idle, queries };
        let mut connection = database.connect()?;
        // Readers and a writer do not wait for each other.
        connection.pragma_update(None, "journal_mode", "wal")?;
        fill(connection.transaction_with_behavior(TransactionBehavior::Immediate)?)?;
        Ok(database)
    }

    /// The categories.
    pub fn categories() -> [&'static str; CATALOGUE.len()] {
        CATALOGUE.map(|(category, _)| category)
    }

    /// How often this process has asked the database for something.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Those of the products that there are, by one query.
    pub fn products(&self, ids: &[u32]) -> Result<HashMap<u32, Product>> {
        let ids = format!("{ids:?}"); // a list in JSON
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT id, name, category, cents, version FROM products
                 WHERE id IN (SELECT value FROM json_each(?1))",
            )?;
            let products = select.query_map([ids], product)?;
            products.map(|product| product.map(|product| (product.id, product))).collect()
        })
    }

    /// The version of a product: a part of what [`products`](Self::products) reads.
    pub fn version(&self, id: u32) -> Result<Option<u32>> {
        self.query(|connection| {
            let mut select =
                connection.prepare_cached("SELECT version FROM products WHERE id = ?1")?;
            select.query_map([id], |row| row.get(0))?.next().transpose()
        })
    }

    /// The products of a category, by name.
    pub fn shelf(&self, category: &str) -> Result<Vec<u32>> {
        self.query(|connection| {
            let mut select = connection
                .prepare_cached("SELECT id FROM products WHERE category = ?1 ORDER BY name")?;
            select.query_map([category], |row| row.get(0))?.collect()
        })
    }

    pub fn stock(&self, id: u32) -> Result<Option<Stock>> {
        self.query(|connection| {
            let mut select =
                connection.prepare_cached("SELECT left, version FROM stock WHERE id = ?1")?;
            select.query_map([id], stock)?.next().transpose()
        })
    }
}

/// Writing. Where there is no such row, the error is `QueryReturnedNoRows`.
impl Database {
    /// Returns the new version.
    pub fn set_price(&self, id: u32, cents: u32) -> Result<u32> {
        self.query(|connection| {
            let update = "UPDATE products SET cents = ?2, version = version + 1 WHERE id = ?1
                          RETURNING version";
            connection.prepare_cached(update)?.query_row([id, cents], |row| row.get(0))
        })
    }

    /// Makes a category cheaper. Returns how many products it has.
    pub fn discount(&self, category: &str, percent: u32) -> Result<usize> {
        self.query(|connection| {
            let update = "UPDATE products SET cents = max(1, cents * (100 - ?2) / 100),
                          version = version + 1 WHERE category = ?1";
            connection.prepare_cached(update)?.execute(params![category, percent])
        })
    }

    /// Takes one piece out of the stock, if one is left. Returns what remains.
    pub fn buy(&self, id: u32) -> Result<Stock> {
        self.query(|connection| {
            let update = "UPDATE stock SET left = left - 1, version = version + 1
                          WHERE id = ?1 AND left > 0 RETURNING left, version";
            connection.prepare_cached(update)?.query_row([id], stock)
        })
    }
}

/// Connections.
impl Database {
    /// Asks by a connection that nobody uses, or by a new one. The groups bound how many load at
    /// once, so they bound the connections, too.
    fn query<T>(&self, ask: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        thread::sleep(self.delay);
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| self.connect(), Ok)?;
        let answer = ask(&connection);
        self.idle().push(connection);
        answer
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(BUSY)?;
        Ok(connection)
    }
}

fn product(row: &Row<'_>) -> Result<Product> {
    Ok(Product {
        id: row.get(0)?,
        name: row.get(1)?,
        category: row.get(2)?,
        cents: row.get(3)?,
        version: row.get(4)?,
    })
}

fn stock(row: &Row<'_>) -> Result<Stock> {
    Ok(Stock { left: row.get(0)?, version: row.get(1)? })
}

/// Makes the tables, if they are not there.
fn fill(transaction: Transaction<'_>) -> Result<()> {
    if transaction.table_exists(None, "products")? {
        return Ok(());
    }
    transaction.execute_batch(
        "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL,
             category TEXT NOT NULL, cents INTEGER NOT NULL, version INTEGER NOT NULL) STRICT;
         CREATE INDEX products_by_category ON products (category, name);
         CREATE TABLE stock (id INTEGER PRIMARY KEY REFERENCES products,
             left INTEGER NOT NULL, version INTEGER NOT NULL) STRICT;",
    )?;
    let products =
        CATALOGUE.iter().flat_map(|(category, names)| names.map(|name| (category, name)));
    for (id, (category, name)) in (1..).zip(products) {
        let cents = 299 + 50 * (id * 7 % 23);
        transaction.execute(
            "INSERT INTO products VALUES (?1, ?2, ?3, ?4, 1)",
            params![id, name, category, cents],
        )?;
        transaction.execute("INSERT INTO stock VALUES (?1, ?2, 1)", [id, LEFT_AT_FIRST])?;
    }
    transaction.commit()
}
