# What the requiring package suggests is preferred.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: glibc 1 1 noarch
#>=Req: langpack
#>=Sug: langpack-minimal
#>=Pkg: langpack-aa 1 1 noarch
#>=Prv: langpack
#>=Pkg: langpack-minimal 1 1 noarch
#>=Prv: langpack
system x86_64 rpm system
job install name glibc
result transaction,problems <inline>
#>install glibc-1-1.noarch@available
#>install langpack-minimal-1-1.noarch@available
