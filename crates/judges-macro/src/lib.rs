//! The `#[test]` of the suites that `judges` runs: it adds a function to the suite, with what
//! stands in its parentheses as its needs.

use proc_macro::{TokenStream, TokenTree};

/// Marks a function as a test: `#[test]`, or `#[test(program("rpm"), root())]` with expressions of
/// type `judges::Need`, for which the functions of `judges` are in scope.
#[proc_macro_attribute]
pub fn test(needs: TokenStream, function: TokenStream) -> TokenStream {
    let Some(name) = name_of(function.clone()) else {
        return "compile_error!(\"only a function can be a test\");"
            .parse()
            .unwrap_or_default();
    };
    let registration = format!(
        "const _: () = {{
            #[allow(unused_imports)]
            use ::judges::{{all, cached, corpus, named, program, programs, repository, root, systemd}};
            ::judges::submit! {{ ::judges::Test {{
                module: ::core::module_path!(), name: \"{name}\", needs: &[{needs}], run: {name},
            }} }}
        }};"
    );
    let mut both = function;
    both.extend(registration.parse::<TokenStream>().unwrap_or_default());
    both
}

/// Returns the identifier after the word `fn`.
fn name_of(function: TokenStream) -> Option<String> {
    let mut tokens = function.into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn"))?;
    match tokens.next()? {
        TokenTree::Ident(name) => Some(name.to_string()),
        _ => None,
    }
}
